package delivery

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The first is the example of Meta's documents; the addresses of the others are
// the examples of Google's, hashed by sha256sum.
func TestHashesAreThoseOfTheReceiversDocuments(t *testing.T) {
	for want, got := range map[string]string{
		"f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79": SHA256(Email(" Mary@Example.com\t")),
		"223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4": SHA256(Gmail("Cloudy.SanFrancisco+shopping@GMAIL.com ")),
		"fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30": SHA256(E164("+1 (800) 555-0100")),
		"92cfdc5fbcd4a20fbe5d3857af6c1aba31762105bba7f21a17155e920653046c": SHA256(Digits("+1 (800) 555-0100")),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAddressesBecomeWhatReceiversCompare(t *testing.T) {
	for _, c := range [][2]string{
		{Gmail("user.name+NYC@Example.com"), "user.name+nyc@example.com"},
		{Gmail("jeff.d+x@googlemail.com"), "jeffd@googlemail.com"},
		{Email("a b@C.example"), "ab@c.example"},
		{E164("(800) 555-0100"), ""}, // of which country?
		{E164("+49 0171"), ""},
		{E164("+123456789012345678"), ""},
		{Digits("0049 171 1234567"), "491711234567"},
		{E164("+49 (0)171 123 45-67"), "+491711234567"},
		{SHA256(""), ""},
		{slack("<!channel> & co"), "&lt;!channel&gt; &amp; co"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}

func TestWhateverAPersonIsCalledItStaysAValue(t *testing.T) {
	c, err := Call{
		URL:  "https://a.example/{{.AudienceID}}/users",
		Body: `{"name": {{(index .Messages 0).Person}}, "both": {{printf "%s:%s" .Audience (index .Messages 0).Person}}, "o": {{object "k" (index .Messages 0).Person}}}`,
	}.compile()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`","admin":true,"x":"`, "{{.ID}}", "\u2028</script>", "../../x?y#z"})).Draw(t, "name")
		address, body, err := c.fill(Telling{Audience: "vip", AudienceID: name, Messages: []Message{{Person: name}}})
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Name, Both string
			O          map[string]string
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		want := strings.ToValidUTF8(name, "\ufffd")
		if got.Name != want || got.Both != "vip:"+want || want != "" && got.O["k"] != want {
			t.Fatalf("%q becomes %s", name, body)
		}
		if rest := strings.TrimSuffix(strings.TrimPrefix(address, "https://a.example/"), "/users"); strings.ContainsAny(rest, "/?# ") {
			t.Fatalf("%q becomes %s", name, address)
		}
	})
}

func TestATemplateThatCannotBeUsedIsRefusedBeforeAnythingIsTold(t *testing.T) {
	for part, call := range map[string]Call{
		"no JSON":       {Body: `{"a": {{.Audience}}`},
		"not defined":   {Body: `{{sha512 .Audience}}`},
		"does not fit":  {Body: `{{.Nobody}}`},
		"unclosed":      {Body: `{{`},
		"url must":      {URL: "{{.AudienceID}}", Body: "{}"},
		"its URL's tem": {URL: "https://a.example/{{.Nobody}}", Body: "{}"},
	} {
		hook := Webhook{Destination: "a", URL: "https://a.example", Body: call.Body}
		if call.URL != "" {
			hook.URL = call.URL
		}
		if _, err := New(Config{Webhook: hook}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%+v gives %v, want %q", call, err, part)
		}
	}
}
