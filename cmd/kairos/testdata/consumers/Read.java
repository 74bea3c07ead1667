import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.avro.Schema;
import org.apache.avro.generic.*;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Read {
    public static void main(String[] args) throws Exception {
        var schema = new Schema.Parser().parse(Files.readString(Path.of(args[2])));
        var decoder = new BinaryMessageDecoder<GenericRecord>(GenericData.get(), schema); // checks the fingerprint
        var settings = Map.<String, Object>of(
            "bootstrap.servers", args[0],
            "isolation.level", "read_committed", // nothing of a transaction that was taken back
            "enable.auto.commit", "false");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            var partitions = consumer.partitionsFor(args[1]).stream().map(p -> new TopicPartition(p.topic(), p.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions); // the whole list, then what changes
            var ends = consumer.endOffsets(partitions);
            var members = new TreeMap<String, String>();
            var listed = false;
            while (true) {
                for (var message : consumer.poll(Duration.ofMillis(200))) {
                    var slash = message.key().lastIndexOf('/');
                    var person = message.key().substring(0, slash);
                    var audience = message.key().substring(slash + 1);
                    var record = message.value() == null ? null : decoder.decode(message.value()); // null: the person is forgotten
                    var entered = record != null && (Boolean) record.get("entered");
                    var names = record == null ? "" : ((List<?>) record.get("identifiers")).stream().map(i -> (GenericRecord) i)
                        .map(i -> i.get("namespace") + ":" + i.get("value")).collect(Collectors.joining(" "));
                    if (entered) {
                        members.put(audience + " " + names, person);
                    } else {
                        members.entrySet().removeIf(m -> m.getValue().equals(person) && m.getKey().startsWith(audience + " "));
                    }
                    if (listed) {
                        System.out.println((entered ? "entered " : "left ") + audience + " " + names);
                    }
                }
                if (!listed && partitions.stream().allMatch(p -> consumer.position(p) >= ends.get(p))) {
                    listed = true;
                    members.keySet().forEach(m -> System.out.println("member " + m));
                    System.out.println("that is the list");
                }
            }
        }
    }
}
