package keyring

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWhoIsLostCannotBeReadAndNobodyElseNotices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := New()
		r, lost := first, map[string]bool{}
		subjects := make([]string, 30)
		sealed := map[string][]byte{}
		for i := range subjects {
			subjects[i] = fmt.Sprintf("email:%d@example.org", i)
			_, value, err := r.Seal(subjects[i], []byte(subjects[i]), []byte("value of "+subjects[i]))
			if err != nil {
				t.Fatal(err)
			}
			sealed[subjects[i]] = value
		}
		for range rapid.IntRange(1, 15).Draw(t, "changes") { // the dumb model is a set
			who := rapid.SliceOfN(rapid.SampledFrom(subjects), 1, 3).Draw(t, "who")
			if rapid.IntRange(0, 3).Draw(t, "renew") == 0 {
				r = r.Renew(who...)
				for _, s := range who {
					if lost[s] {
						if _, _, err := r.Open(sealed[s]); !errors.Is(err, ErrLost) {
							t.Fatalf("what %s said before they were lost is read again: %v", s, err)
						}
						_, sealed[s], _ = r.Seal(s, []byte(s), []byte("value of "+s))
					}
					delete(lost, s)
				}
			} else {
				r = r.Lose(who...)
				for _, s := range who {
					lost[s] = true
				}
			}
		}
		for _, s := range subjects {
			key, value, err := r.Open(sealed[s])
			switch {
			case r.Holds(s) == lost[s]:
				t.Fatalf("%s: holds is %v, lost is %v", s, r.Holds(s), lost[s])
			case lost[s] && !errors.Is(err, ErrLost):
				t.Fatalf("%s is lost and read: %q %v", s, value, err)
			case !lost[s] && (err != nil || string(key) != s || string(value) != "value of "+s):
				t.Fatalf("%s is not lost and reads %q %q %v", s, key, value, err)
			}
		}
		for n, secret := range r.nodes { // no secret is left from which a lost key could be computed
			for s := range lost {
				if nodeAt(r.LeafOf(s), n.Depth) == n {
					t.Fatalf("a node of depth %d above %s is left: %x", n.Depth, s, secret[:4])
				}
			}
		}
	})
}

func TestASealedRecordNamesNobodyAndIsNotReadTorn(t *testing.T) {
	r := New()
	key, value, err := r.Seal("email:sarah@example.org", []byte("email:sarah@example.org"), []byte("sarah"))
	if err != nil || slices.Contains([]string{"email", "sarah"}, string(key)) || len(key) != 16 {
		t.Fatalf("key %q, %v", key, err)
	}
	for i := range value {
		torn := slices.Clone(value)
		torn[i] ^= 1
		if _, got, err := r.Open(torn); err == nil {
			t.Fatalf("byte %d changed, and it reads %q", i, got)
		}
	}
	if _, _, err := New().Open(value); !errors.Is(err, ErrLost) {
		t.Errorf("another ring says %v", err)
	}
	_, later, err := r.Lose("email:tom@example.org").Seal("email:sarah@example.org", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Open(later); !errors.Is(err, ErrAhead) {
		t.Errorf("a ring that is behind says %v, so it would lose what it could read a moment later", err)
	}
	var none *Ring
	if _, _, err := none.Open(value); !errors.Is(err, ErrAhead) {
		t.Errorf("no ring says %v", err)
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	value := make([]byte, 300)
	for _, erased := range []int{0, 1000} {
		r := New()
		var gone []string
		for i := range erased {
			gone = append(gone, fmt.Sprint("gone:", i))
		}
		r = r.Lose(gone...)
		b.Run(fmt.Sprintf("%d erased, %d secrets/seal", erased, len(r.nodes)), func(b *testing.B) {
			for i := range b.N {
				if _, _, err := r.Seal(fmt.Sprint("email:", i), []byte("email"), value); err != nil {
					b.Fatal(err)
				}
			}
		})
		_, sealed, err := r.Seal("email:x", []byte("email"), value)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%d erased/open", erased), func(b *testing.B) {
			for range b.N {
				if _, _, err := r.Open(sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
