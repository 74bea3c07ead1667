package kairos.peers;

import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.AutoOffsetReset;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.common.serialization.Serde;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/**
 * The job of kairos from identity-resolved events on, as a user of Kafka Streams would write it: windowed
 * audiences of a person, exits when windows close, exactly once.
 *
 * <p>Arguments: brokers, topic in, topic out, file of rules, state folder, where rows rest (rocksdb or memory),
 * commit interval in ms, fingerprints of PersonEvent and Transition in hex.
 */
public final class Peer {
    private Peer() {}

    public static void main(String[] args) throws Exception {
        Rules rules = Rules.read(Path.of(args[3]));
        boolean memory = args[5].equals("memory");
        byte[] eventPrint = HexFormat.of().parseHex(args[7]);
        byte[] transitionPrint = HexFormat.of().parseHex(args[8]);

        Topology topology = new Topology();
        TimestampExtractor received = (record, partitionTime) -> ((Event) record.value()).received;
        topology.addSource(AutoOffsetReset.earliest(), "events", received, Serdes.ByteArray().deserializer(), new Event.Reader(eventPrint), args[1]);
        topology.addProcessor("step", () -> new Step(rules, new Transition.Writer(transitionPrint)), "events");
        topology.addStateStore(store(Step.PEOPLE, memory, Row.serde(rules)), "step");
        topology.addStateStore(store(Step.TIMERS, memory, Serdes.ByteArray()), "step");
        topology.addSink("transitions", args[2], Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "step");

        KafkaStreams streams = new KafkaStreams(topology, settings(args));
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
    }

    private static <V> StoreBuilder<?> store(String name, boolean memory, Serde<V> values) {
        KeyValueBytesStoreSupplier supplier =
            memory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
        StoreBuilder<?> builder = Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), values)
            .withCachingEnabled()
            .withLoggingEnabled(Map.of());
        return builder;
    }

    private static Properties settings(String[] args) {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, "peer");
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        p.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[6]);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2); // as many as there are cores
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 512L << 20);
        p.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 10);
        return p;
    }

    /** One block cache for all stores, and memtables large enough for what a run writes between flushes. */
    public static final class Rocks implements RocksDBConfigSetter {
        private static final LRUCache CACHE = new LRUCache(256L << 20);

        @Override
        public void setConfig(String store, Options options, Map<String, Object> configs) {
            BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
            table.setBlockCache(CACHE);
            table.setCacheIndexAndFilterBlocks(true);
            options.setTableFormatConfig(table);
            options.setWriteBufferSize(32L << 20);
            options.setMaxWriteBufferNumber(3);
        }

        @Override
        public void close(String store, Options options) {}
    }
}
