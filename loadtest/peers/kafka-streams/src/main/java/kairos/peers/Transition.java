package kairos.peers;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/** What is said of somebody who entered or left, as a kairos.Transition. */
final class Transition {
    private Transition() {}

    static final class Writer {
        private final byte[] print;
        private final ByteArrayOutputStream out = new ByteArrayOutputStream(128);
        private BinaryEncoder encoder;

        Writer(byte[] print) {
            this.print = print;
        }

        byte[] write(byte[] person, String audience, boolean entered, long revision, long at, String event) {
            try {
                out.reset();
                out.write(0xC3);
                out.write(0x01);
                out.write(print);
                encoder = EncoderFactory.get().binaryEncoder(out, encoder);
                encoder.writeString(new String(person, StandardCharsets.UTF_8));
                encoder.writeString(audience);
                encoder.writeBoolean(entered);
                encoder.writeLong(revision);
                encoder.writeLong(at);
                encoder.writeLong(1); // version
                encoder.writeString(""); // reason
                encoder.writeString(event);
                encoder.flush();
                return out.toByteArray();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
