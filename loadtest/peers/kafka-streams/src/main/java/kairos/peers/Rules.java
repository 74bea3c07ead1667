package kairos.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The audiences, as loadtest/peers writes them: terms, and conjunctions of terms. */
final class Rules {
    /** At least {@code count} events of a name, perhaps with a property, within a window. */
    static final class Term {
        String event, property, value;
        long window;
        int count;
        int[] audiences; // that ask it

        boolean matches(Event e) {
            return property == null || value.equals(e.text(property));
        }
    }

    /** True when all of some terms hold and none of others does. */
    static final class Audience {
        String name;
        int[] all, none;
    }

    final List<Term> terms = new ArrayList<>();
    final List<Audience> audiences = new ArrayList<>();
    final Map<String, int[]> byEvent = new HashMap<>();

    static Rules read(Path file) throws IOException {
        Rules rules = new Rules();
        for (String line : Files.readAllLines(file)) {
            String[] words = line.split("\t", -1);
            if (words[0].equals("term")) {
                Term t = new Term();
                t.event = words[1];
                t.property = words[2].isEmpty() ? null : words[2];
                t.value = words[3];
                t.window = Long.parseLong(words[4]);
                t.count = Integer.parseInt(words[5]);
                rules.terms.add(t);
            } else {
                Audience a = new Audience();
                a.name = words[1];
                a.all = numbers(words[2]);
                a.none = numbers(words[3]);
                rules.audiences.add(a);
            }
        }
        rules.index();
        return rules;
    }

    private static int[] numbers(String list) {
        if (list.isEmpty()) {
            return new int[0];
        }
        String[] words = list.split(",");
        int[] numbers = new int[words.length];
        for (int i = 0; i < words.length; i++) {
            numbers[i] = Integer.parseInt(words[i]);
        }
        return numbers;
    }

    private void index() {
        Map<String, List<Integer>> events = new HashMap<>();
        for (int t = 0; t < terms.size(); t++) {
            events.computeIfAbsent(terms.get(t).event, name -> new ArrayList<>()).add(t);
            List<Integer> users = new ArrayList<>();
            for (int a = 0; a < audiences.size(); a++) {
                if (contains(audiences.get(a).all, t) || contains(audiences.get(a).none, t)) {
                    users.add(a);
                }
            }
            terms.get(t).audiences = users.stream().mapToInt(Integer::intValue).toArray();
        }
        events.forEach((name, list) -> byEvent.put(name, list.stream().mapToInt(Integer::intValue).toArray()));
    }

    private static boolean contains(int[] numbers, int n) {
        for (int number : numbers) {
            if (number == n) {
                return true;
            }
        }
        return false;
    }
}
