package definition

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkCompileManyAudiences compiles audiences of the usual shapes, most
// of which share terms with others.
func BenchmarkCompileManyAudiences(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		var text strings.Builder
		for i := range n {
			when := fmt.Sprintf(`events("purchase").where(e, e.amount > %d).within("%dd").count() >= %d && !events("refund").within("90d").any() && p.country == "FR"`, i%50*10, i%30+1, i%7+1)
			if i > 100 {
				when += fmt.Sprintf(` || in("a%d")`, i%100)
			}
			text.WriteString(audience(fmt.Sprintf("a%d", i), when))
		}
		s := parsed(b, text.String())
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			terms := 0
			for b.Loop() {
				p, err := s.Compile()
				if err != nil {
					b.Fatal(err)
				}
				terms = len(p.Terms)
			}
			b.ReportMetric(float64(terms), "terms")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "us/audience")
		})
	}
}
