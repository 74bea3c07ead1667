package whatif

import (
	"testing"

	"kairos/topologies/golden"
)

func TestAReportIsShownAsReviewed(t *testing.T) {
	golden.File(t, "testdata/report.txt", Report{
		Changed: []Changed{{"identity", "identity", 2}}, People: Count{1200, 1199}, Identifiers: 5310, Moved: 5, Renamed: 1, UnderWay: 2,
		Merges: Merges{1, 2, []Group{{
			Person: "6651d1a6adc3c832", Identifiers: 7,
			Parts:   []Part{{"6651d1a6adc3c832", []string{"crm_id:1", "device_id:a", "device_id:b", "device_id:c", "email:sarah@example.org"}}, {"0ab1d1a6adc3c832", []string{"crm_id:2", "phone:+33612345678"}}},
			Because: []Decision{{"crm_id:2", "device_id:a", "web", "per-person (crm_id)", "taken"}},
		}}},
		Splits: Splits{1, 2, []Group{{
			Person: "77777777adc3c832", Identifiers: 2,
			Parts:   []Part{{"77777777adc3c832", []string{"email:a@example.org"}}, {"88888888adc3c832", []string{"email:guest"}}},
			Because: []Decision{{"email:a@example.org", "email:guest", "shop", "taken", "blocked (email:guest)"}},
		}}},
		Audiences: []Audience{
			{Name: "quiet", Members: Count{9, 9}},
			{
				Name: "win_back", Members: Count{31, 31}, Enter: 1, Leave: 1, Gone: 1,
				Entering: []Member{{"6651d1a6adc3c832", "crm_id:1", "events(cancel)"}},
				Leaving:  []Member{{"0ab1d1a6adc3c832", "crm_id:2", "merged into 6651d1a6adc3c832"}},
			},
		},
	}.Text(false)+Report{Changed: []Changed{{"profile", "profile", 3}}, Audiences: []Audience{{Name: "quiet"}}}.Text(false)+Report{}.Text(false))
}
