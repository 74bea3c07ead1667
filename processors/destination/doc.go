// Package destination decides what each destination is told about whom: the
// memberships it wants, of people who consent, with the identifiers that it
// may see.
//
// In: changes with their transitions ([kairos/topologies.Memberships]). Out:
// one compacted stream per destination ([kairos/topologies.Activations]);
// read from its start it is the current list. State: identifiers, attributes
// and memberships that destinations ask for, and what each was last told, its
// identifiers included.
//
// Laws: the newest record of a person and audience says what a recomputation
// from the newest profile and membership says; nothing is told twice, and
// nothing at all without every consent that the destination needs; whoever was
// told of an entry is told of the exit, whatever its reason; whoever was told an
// address is told that it is gone: by the exit, or by the next entry.
//
// What a merge moves is the exception that this stage cannot make: a row knows of
// one person. See "Addresses that move" in processors/delivery/DELIVERY.md.
//
// Not here: how records reach systems outside (processors/delivery).
package destination
