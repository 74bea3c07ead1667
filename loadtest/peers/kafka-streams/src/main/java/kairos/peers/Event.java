package kairos.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.serialization.Deserializer;

/**
 * What this job needs of a kairos.PersonEvent or of a kairos.Tick, decoded field by field: a generated
 * class would make objects for all that is skipped here.
 */
final class Event {
    boolean tick;
    String id, name;
    long time, received;
    private int properties;
    private final String[] names = new String[8];
    private final String[] texts = new String[8];

    String text(String property) {
        for (int i = 0; i < properties; i++) {
            if (names[i].equals(property)) {
                return texts[i];
            }
        }
        return null;
    }

    /** Tells ticks by the fingerprint of their schema. */
    static final class Reader implements Deserializer<Event> {
        private static final int HEADER = 10; // of Avro's single-object encoding
        private final byte[] eventPrint;
        private final ThreadLocal<BinaryDecoder> decoders = new ThreadLocal<>(); // all threads share this

        Reader(byte[] eventPrint) {
            this.eventPrint = eventPrint;
        }

        @Override
        public Event deserialize(String topic, byte[] data) {
            if (data == null) {
                return null;
            }
            try {
                BinaryDecoder decoder =
                    DecoderFactory.get().binaryDecoder(data, HEADER, data.length - HEADER, decoders.get());
                decoders.set(decoder);
                return isEvent(data) ? event(decoder) : tick(decoder);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private boolean isEvent(byte[] data) {
            for (int i = 0; i < eventPrint.length; i++) {
                if (data[2 + i] != eventPrint[i]) {
                    return false;
                }
            }
            return true;
        }

        private static Event tick(BinaryDecoder decoder) throws IOException {
            Event e = new Event();
            e.tick = true;
            decoder.skipString(); // source
            e.received = decoder.readLong();
            return e;
        }

        private static Event event(BinaryDecoder decoder) throws IOException {
            Event e = new Event();
            decoder.skipString(); // person
            decoder.skipString(); // identifier
            decoder.readLong(); // epoch
            e.received = decoder.readLong();
            if (decoder.readIndex() == 0) {
                return e; // identifiers that move: the population of this comparison has none
            }
            e.id = decoder.readString();
            e.name = decoder.readString();
            e.time = decoder.readLong();
            e.received = decoder.readLong();
            decoder.skipString(); // source
            for (long n = decoder.readArrayStart(); n != 0; n = decoder.arrayNext()) {
                for (long i = 0; i < n; i++) {
                    decoder.skipString();
                    decoder.skipString();
                }
            }
            for (int list = 0; list < 2; list++) { // properties, attributes
                for (long n = decoder.readArrayStart(); n != 0; n = decoder.arrayNext()) {
                    for (long i = 0; i < n; i++) {
                        property(e, decoder);
                    }
                }
            }
            return e;
        }

        private static void property(Event e, BinaryDecoder decoder) throws IOException {
            String name = decoder.readString();
            decoder.readInt(); // kind
            decoder.readDouble();
            String text = decoder.readString();
            if (e.properties < e.names.length) {
                e.names[e.properties] = name;
                e.texts[e.properties++] = text;
            }
        }
    }
}
