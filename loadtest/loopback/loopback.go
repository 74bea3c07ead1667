// Package loopback finds ports for what tests and measurements start.
//
// They lie below those that systems hand out by themselves: what is started later,
// or comes back after it was killed, would find some of those taken by anybody's
// outgoing connection.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Free gives an address whose port is free, and so are the next ones, many in all.
func Free(many int) (address string, err error) {
	const first, last, tries = 20_000, 32_000, 1_000
	for range tries {
		port := first + many*rand.IntN((last-first)/many)
		if AreFree(port, many) {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
		}
	}
	return "", fmt.Errorf("no %d neighbouring ports are free between %d and %d", many, first, last)
}

// Apart gives so many addresses whose ports are free. Whoever asks for one after the
// other may be given the same again.
func Apart(many int) (addresses []string, err error) {
	first, err := Free(many)
	if err != nil {
		return nil, err
	}
	host, text, err := net.SplitHostPort(first)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	for p := range many {
		addresses = append(addresses, net.JoinHostPort(host, strconv.Itoa(port+p)))
	}
	return addresses, err
}

// AreFree reports whether nobody listens on a port and the next ones, many in all.
func AreFree(port, many int) bool {
	for p := range many {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+p)))
		if err != nil || listener.Close() != nil {
			return false
		}
	}
	return true
}
