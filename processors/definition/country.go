package definition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Country says how telephone numbers are dialled within a country. Its zero
// value is none.
type Country struct {
	Name  string // ISO 3166, such as DE
	code  string // after the +
	trunk string // before the number within the country, not abroad; empty: numbers are always whole
	least int    // digits of a number without code and trunk
	most  int
}

// International writes digits, without any + or 00, as E.164 does. False: they
// can be read in no way, or in several: a number without its area, or with the
// country's code but no +.
func (c *Country) International(digits string) (string, bool) {
	reading := ""
	for _, prefix := range c.prefixes() {
		number, ok := strings.CutPrefix(digits, prefix)
		if !ok || len(number) < c.least || len(number) > c.most || c.trunk == "0" && strings.HasPrefix(number, "0") {
			continue
		}
		if international := "+" + c.code + number; reading == "" || reading == international {
			reading = international
		} else {
			return "", false
		}
	}
	return reading, reading != ""
}

// prefixes are what may stand before a number. Where there is a trunk prefix, a
// number without it may lack its area too, save in North America.
func (c *Country) prefixes() []string {
	switch c.trunk {
	case "":
		return []string{"", c.code}
	case c.code:
		return []string{"", c.trunk}
	}
	return []string{c.trunk}
}

// countries is small and fixed on purpose: see topologies/decisions/0007.
var countries = map[string]Country{
	"AT": {"AT", "43", "0", 7, 13}, "AU": {"AU", "61", "0", 9, 9}, "BE": {"BE", "32", "0", 8, 9}, "BR": {"BR", "55", "0", 10, 11},
	"CA": {"CA", "1", "1", 10, 10}, "CH": {"CH", "41", "0", 9, 9}, "CZ": {"CZ", "420", "", 9, 9}, "DE": {"DE", "49", "0", 6, 12},
	"DK": {"DK", "45", "", 8, 8}, "ES": {"ES", "34", "", 9, 9}, "FI": {"FI", "358", "0", 6, 12}, "FR": {"FR", "33", "0", 9, 9},
	"GB": {"GB", "44", "0", 9, 10}, "GR": {"GR", "30", "", 10, 10}, "IE": {"IE", "353", "0", 7, 9}, "IN": {"IN", "91", "0", 10, 10},
	"IT": {"IT", "39", "", 6, 11}, "JP": {"JP", "81", "0", 9, 10}, "MX": {"MX", "52", "", 10, 10}, "NL": {"NL", "31", "0", 9, 9},
	"NO": {"NO", "47", "", 8, 8}, "NZ": {"NZ", "64", "0", 8, 10}, "PL": {"PL", "48", "", 9, 9}, "PT": {"PT", "351", "", 9, 9},
	"RO": {"RO", "40", "0", 9, 9}, "SE": {"SE", "46", "0", 7, 10}, "TR": {"TR", "90", "0", 10, 10}, "US": {"US", "1", "1", 10, 10},
	"ZA": {"ZA", "27", "0", 9, 9},
}

// country reads where telephone numbers without a country code are from.
func (f *fields) country(namespace *yaml.Node) Country {
	node := f.scalar("country")
	if node == nil {
		return Country{}
	}
	if namespace != nil && namespace.Value != "phone" {
		f.document.refuse(node, fmt.Sprintf("namespace %q has a country, but only telephone numbers do", namespace.Value), "remove country, or call the namespace phone")
	}
	c, known := countries[node.Value]
	if !known {
		f.document.refuse(node, fmt.Sprintf("unknown country %q", node.Value), "known: "+strings.Join(slices.Sorted(maps.Keys(countries)), ", ")+"; send numbers of others with + and the country's code")
	}
	return c
}
