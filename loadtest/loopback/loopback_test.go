package loopback_test

import (
	"net"
	"strconv"
	"testing"

	"kairos/loadtest/loopback"
)

func TestAFreeAddressCanBeListenedOnAndIsFreeNoMore(t *testing.T) {
	address, err := loopback.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port >= 32_768 { // where Linux begins to hand out ports
		t.Fatalf("port %d, %v", port, err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if loopback.AreFree(port, 2) || !loopback.AreFree(port, 1) {
		t.Error("the second port is taken, the first is not")
	}
}

func TestAddressesAreNotTheSame(t *testing.T) {
	addresses, err := loopback.Apart(3)
	if err != nil || len(addresses) != 3 || addresses[0] == addresses[1] || addresses[1] == addresses[2] {
		t.Errorf("%v, %v", addresses, err)
	}
}
