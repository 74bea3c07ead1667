package expression

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of a source text. They are far above what people write, and low
// enough that parsing takes milliseconds.
const (
	longestSource  = 16 << 10
	deepestSource  = 50
	longestLiteral = 1 << 10
)

// audienceCall stands for `in` where that is called: `in` is an operator in
// CEL, so in("vip") would not parse. As long as `in`, so that columns stay.
const audienceCall = "__"

// scan checks source before the parser sees it and replaces calls of `in`.
func scan(source string) (string, *Problem) {
	if len(source) > longestSource {
		return "", &Problem{1, 1, fmt.Sprintf("the expression has %d bytes, more than the %d that are allowed", len(source), longestSource),
			"split it into audiences and join them with in(\"...\")"}
	}
	if !utf8.ValidString(source) {
		return "", &Problem{1, 1, "the expression is not valid UTF-8", "save the file as UTF-8"}
	}
	s := scanner{source: source, line: 1, column: 1}
	for s.at < len(source) && s.problem == nil {
		s.token()
	}
	if s.problem == nil && strings.TrimSpace(source) == "" {
		s.problem = &Problem{1, 1, "the expression is empty", "write a condition such as events(\"purchase\").any()"}
	}
	s.out.WriteString(source[s.copied:])
	return s.out.String(), s.problem
}

type scanner struct {
	source       string
	at           int
	line, column int
	depth        int
	operand      bool // the token before could end an operand, so `in` after it is the operator
	copied       int
	out          strings.Builder
	problem      *Problem
}

// token consumes one token.
func (s *scanner) token() {
	c := s.source[s.at]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
		s.advance(1)
	case strings.HasPrefix(s.source[s.at:], "//"):
		s.advance(lengthUntil(s.source[s.at:], "\n"))
	case c == '"' || c == '\'':
		s.text(false)
	case isWord(c):
		s.word()
	case c == '(' || c == '[' || c == '{':
		if s.depth++; s.depth > deepestSource {
			s.refuse(fmt.Sprintf("brackets are nested more than %d deep", deepestSource), "split the expression into audiences and join them with in(\"...\")")
		}
		s.advance(1)
		s.operand = false
	case c == ')' || c == ']' || c == '}':
		s.depth--
		s.advance(1)
		s.operand = true
	default:
		s.advance(1)
		s.operand = false
	}
}

// word consumes a name, keyword or number.
func (s *scanner) word() {
	end := s.at
	for end < len(s.source) && isWord(s.source[end]) {
		end++
	}
	word, rest := s.source[s.at:end], s.source[end:]
	switch {
	case word == audienceCall:
		s.refuse("unknown name `"+word+"`", "names start with a letter")
	case rest != "" && (rest[0] == '"' || rest[0] == '\'') && strings.Trim(strings.ToLower(word), "rb") == "":
		s.advance(len(word))
		s.text(strings.ContainsAny(word, "rR"))
		return
	case word == "in" && !s.operand && strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), "("):
		s.out.WriteString(s.source[s.copied:s.at])
		s.out.WriteString(audienceCall)
		s.copied = end
	}
	s.advance(len(word))
	s.operand = word != "in"
}

// text consumes a literal in quotes.
func (s *scanner) text(raw bool) {
	rest := s.source[s.at:]
	quote := rest[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(rest, triple) {
		quote = triple
	}
	n := len(quote)
	for n < len(rest) && !strings.HasPrefix(rest[n:], quote) {
		if rest[n] == '\\' && !raw {
			n++
		}
		n++
	}
	n = min(n+len(quote), len(rest))
	if n > longestLiteral {
		s.refuse(fmt.Sprintf("a text has %d bytes, more than the %d that are allowed", n, longestLiteral), "shorten it")
	}
	s.advance(n)
	s.operand = true
}

func (s *scanner) advance(n int) {
	for _, r := range s.source[s.at : s.at+n] {
		s.column++
		if r == '\n' {
			s.line, s.column = s.line+1, 1
		}
	}
	s.at += n
}

func (s *scanner) refuse(message, next string) {
	if s.problem == nil {
		s.problem = &Problem{s.line, s.column, message, next}
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func lengthUntil(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i
	}
	return len(text)
}
