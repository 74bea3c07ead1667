package kairos.peers;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** A person: of each term the newest times that it can need, and the memberships. */
final class Row {
    private static final long[] NONE = {};

    long now, wake; // wake: when the next term closes; 0: never
    final long[][] times; // by term, oldest first
    final boolean[] in; // by audience
    final int[] revisions;

    Row(Rules rules) {
        times = new long[rules.terms.size()][];
        for (int t = 0; t < times.length; t++) {
            times[t] = NONE;
        }
        in = new boolean[rules.audiences.size()];
        revisions = new int[in.length];
    }

    /** Keeps a time among the newest {@code most} of a term. */
    void add(int term, long time, int most) {
        long[] old = times[term];
        int at = old.length;
        while (at > 0 && old[at - 1] > time) {
            at--;
        }
        if (old.length == most) {
            if (at == 0) {
                return;
            }
            long[] kept = old.clone();
            System.arraycopy(old, 1, kept, 0, at - 1);
            kept[at - 1] = time;
            times[term] = kept;
            return;
        }
        long[] more = new long[old.length + 1];
        System.arraycopy(old, 0, more, 0, at);
        more[at] = time;
        System.arraycopy(old, at, more, at + 1, old.length - at);
        times[term] = more;
    }

    static Serde<Row> serde(Rules rules) {
        return Serdes.serdeFrom(new Writer(), new Reader(rules));
    }

    private static final class Writer implements Serializer<Row> {
        private final ThreadLocal<ByteBuffer> buffers = ThreadLocal.withInitial(() -> ByteBuffer.allocate(1 << 16));

        @Override
        public byte[] serialize(String topic, Row row) {
            if (row == null) {
                return null;
            }
            ByteBuffer buffer = buffers.get().clear();
            buffer.putLong(row.now).putLong(row.wake);
            for (long[] times : row.times) {
                buffer.put((byte) times.length);
                for (long time : times) {
                    buffer.putLong(time);
                }
            }
            for (int a = 0; a < row.in.length; a++) {
                buffer.putInt(row.revisions[a] << 1 | (row.in[a] ? 1 : 0));
            }
            byte[] bytes = new byte[buffer.position()];
            buffer.flip();
            buffer.get(bytes);
            return bytes;
        }
    }

    private static final class Reader implements Deserializer<Row> {
        private final Rules rules;

        Reader(Rules rules) {
            this.rules = rules;
        }

        @Override
        public Row deserialize(String topic, byte[] data) {
            if (data == null) {
                return null;
            }
            Row row = new Row(rules);
            ByteBuffer buffer = ByteBuffer.wrap(data);
            row.now = buffer.getLong();
            row.wake = buffer.getLong();
            for (int t = 0; t < row.times.length; t++) {
                int n = buffer.get();
                if (n > 0) {
                    row.times[t] = new long[n];
                    for (int i = 0; i < n; i++) {
                        row.times[t][i] = buffer.getLong();
                    }
                }
            }
            for (int a = 0; a < row.in.length; a++) {
                int packed = buffer.getInt();
                row.revisions[a] = packed >>> 1;
                row.in[a] = (packed & 1) == 1;
            }
            return row;
        }
    }
}
