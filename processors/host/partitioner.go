package host

import "github.com/twmb/franz-go/pkg/kgo"

// Partitioner finds partitions as the Java client and franz-go do by
// default: murmur2 of the key. Goka's own default is FNV, which would send
// equal keys of foreign producers to other partitions. It holds no state for
// records with a key, but is dear to make.
func Partitioner() func(key []byte, partitions int32) int32 {
	p := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return func(key []byte, partitions int32) int32 {
		if key == nil {
			key = []byte{}
		}
		return int32(p.Partition(&kgo.Record{Key: key}, int(partitions)))
	}
}

// PartitionOf is the partition of a key, of so many. Who asks often asks a Partitioner.
func PartitionOf(key string, partitions int32) int32 {
	return Partitioner()([]byte(key), partitions)
}
