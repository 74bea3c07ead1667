package kairos.peers;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Folds an event into its person and says what changed. A window that closes before the event is dealt with
 * before it; others close as stream time passes, in the order of a store of timers.
 */
final class Step implements Processor<byte[], Event, byte[], byte[]> {
    static final String PEOPLE = "people", TIMERS = "timers";
    private static final byte[] NOBODY = {};

    private final Rules rules;
    private final Transition.Writer writer;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, Row> people;
    private KeyValueStore<Bytes, byte[]> timers;
    private byte[] key;
    private Row row;
    private long first; // no timer is earlier: a scan from the beginning would pass all that were deleted

    Step(Rules rules, Transition.Writer writer) {
        this.rules = rules;
        this.writer = writer;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        people = context.getStateStore(PEOPLE);
        timers = context.getStateStore(TIMERS);
        context.schedule(Duration.ofMillis(50), PunctuationType.STREAM_TIME, this::fire);
    }

    @Override
    public void process(Record<byte[], Event> record) {
        Event e = record.value();
        if (e.tick || e.id == null) {
            return; // stream time has heard it
        }
        open(record.key());
        long before = row.wake;
        long now = Math.max(row.now, e.received);
        close(now);
        row.now = now;
        int[] terms = rules.byEvent.get(e.name);
        if (terms != null) {
            long time = Math.min(e.time, e.received);
            for (int t : terms) {
                Rules.Term term = rules.terms.get(t);
                if (term.matches(e)) {
                    row.add(t, time, term.count);
                    look(term.audiences, now, e.id);
                }
            }
        }
        store(before);
    }

    /** Wakes everybody whose next window closes by a time. */
    private void fire(long now) {
        if (now < first) {
            return;
        }
        List<Bytes> due = new ArrayList<>();
        long after = Long.MAX_VALUE;
        try (KeyValueIterator<Bytes, byte[]> next = timers.range(timer(first, NOBODY), timer(Long.MAX_VALUE, NOBODY))) {
            while (next.hasNext()) {
                Bytes timer = next.next().key;
                long time = ByteBuffer.wrap(timer.get()).getLong();
                if (time > now) {
                    after = time;
                    break;
                }
                due.add(timer);
            }
        }
        first = after;
        for (Bytes timer : due) {
            byte[] bytes = timer.get();
            byte[] person = new byte[bytes.length - Long.BYTES];
            System.arraycopy(bytes, Long.BYTES, person, 0, person.length);
            open(person);
            long before = row.wake;
            close(now);
            row.now = Math.max(row.now, now);
            store(before);
        }
    }

    private void open(byte[] person) {
        key = person;
        row = people.get(Bytes.wrap(person));
        if (row == null) {
            row = new Row(rules);
        }
    }

    private void store(long before) {
        row.wake = nextClose();
        if (row.wake != before) {
            if (before != 0) {
                timers.delete(timer(before, key));
            }
            if (row.wake != 0) {
                timers.put(timer(row.wake, key), NOBODY);
                first = Math.min(first, row.wake);
            }
        }
        people.put(Bytes.wrap(key), row);
    }

    private static Bytes timer(long time, byte[] person) {
        return Bytes.wrap(ByteBuffer.allocate(Long.BYTES + person.length).putLong(time).put(person).array());
    }

    /** The instant after row.now at which the first term stops being true. */
    private long nextClose() {
        long first = Long.MAX_VALUE;
        for (int t = 0; t < row.times.length; t++) {
            long closes = closes(t);
            if (closes > row.now) {
                first = Math.min(first, closes);
            }
        }
        return first == Long.MAX_VALUE ? 0 : first;
    }

    /** When a term stops being true, whether or not it has; 0: it never was. */
    private long closes(int t) {
        Rules.Term term = rules.terms.get(t);
        long[] times = row.times[t];
        return times.length < term.count ? 0 : times[0] + term.window;
    }

    /** Lets the windows close that do so by a time, one instant after the other. */
    private void close(long now) {
        for (long next = nextClose(); next != 0 && next <= now; next = nextClose()) {
            row.now = next;
            for (int t = 0; t < row.times.length; t++) {
                if (closes(t) == next) {
                    look(rules.terms.get(t).audiences, next, "");
                }
            }
        }
    }

    private void look(int[] audiences, long at, String event) {
        for (int a : audiences) {
            boolean is = holds(rules.audiences.get(a), at);
            if (is != row.in[a]) {
                row.in[a] = is;
                row.revisions[a]++;
                byte[] value = writer.write(key, rules.audiences.get(a).name, is, row.revisions[a], at, event);
                context.forward(new Record<>(key, value, at));
            }
        }
    }

    private boolean holds(Rules.Audience audience, long at) {
        for (int t : audience.all) {
            if (closes(t) <= at) {
                return false;
            }
        }
        for (int t : audience.none) {
            if (closes(t) > at) {
                return false;
            }
        }
        return true;
    }
}
