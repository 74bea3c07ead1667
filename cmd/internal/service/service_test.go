package service

import "testing"

func TestAnAddressThatOthersReachIsToldFromOneOfThisMachine(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8080": false, "localhost:8080": false, "[::1]:8080": false, "0.0.0.0:8080": true, ":8080": true, "[::]:8080": true, "door.example:8080": true,
	} {
		if got := reachable(address); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}
