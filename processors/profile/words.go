package profile

import "encoding/binary"

// words are what events, their properties and sources are called most: each is
// written as its place here. Places are data, so words are only ever appended.
var words = []string{
	"", "view", "purchase", "cart", "checkout", "login", "logout", "signup", "search", "click", "open", "visit", "page", "screen", "track", "identify",
	"cancel", "refund", "return", "subscribe", "unsubscribe", "install", "download", "share", "like", "rate", "review", "contact", "lead", "send", "deliver", "bounce",
	"amount", "price", "value", "revenue", "total", "tax", "shipping", "discount", "coupon", "currency", "quantity", "category", "product", "product_id", "sku", "order_id",
	"name", "brand", "variant", "size", "color", "url", "path", "title", "referrer", "query", "position", "list", "campaign", "channel", "medium", "source",
	"web", "app", "ios", "android", "server", "crm", "shop", "store", "email", "sms", "push", "callcenter", "country", "city", "language", "device",
	"duration", "rating", "plan", "status", "type", "id", "text", "label", "step", "version", "product_view", "add_to_cart", "remove_from_cart", "begin_checkout", "page_view", "order",
}

var placeOfWord = func() map[string]uint64 {
	places := make(map[string]uint64, len(words))
	for i, w := range words {
		places[w] = uint64(i)
	}
	return places
}()

// appendWord appends a text of which many are words: uvarint twice the length
// and the bytes, or twice the word's place and one.
func appendWord(dst []byte, s string) []byte {
	if place, known := placeOfWord[s]; known {
		return binary.AppendUvarint(dst, place<<1|1)
	}
	return append(binary.AppendUvarint(dst, uint64(len(s))<<1), s...)
}

// word reads it. The bytes of a text that is no word are not copied.
func (r *reader) word() (text []byte, word string) {
	n := r.uvarint()
	switch {
	case n&1 != 0 && n>>1 < uint64(len(words)):
		return nil, words[n>>1]
	case n&1 != 0 || n>>1 > uint64(len(r.rest)):
		r.fail()
		return nil, ""
	}
	n >>= 1
	text, r.rest = r.rest[:n:n], r.rest[n:]
	return text, ""
}

func (r *reader) wordText() string {
	text, word := r.word()
	if text != nil {
		return string(text)
	}
	return word
}
