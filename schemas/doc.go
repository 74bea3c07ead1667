// Package schemas holds every record that crosses a topic or rests in a table:
// its Go type, its codec, and the versions that were ever released.
//
// The Go types are the source; the Avro schemas are derived from them into
// avsc/ and the codecs into codecs.go (generated, compared by tests), and a
// release freezes the schemas into released/, from where later versions still
// read them. Framing is Avro's
// single-object encoding. Laws: a round trip changes nothing; every released
// version can be read; typed and generic codec agree byte for byte.
//
// Not here: which record goes through which topic; see topologies.
package schemas
