package topologies

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// ACLTable renders ACLs as an aligned table.
func ACLTable(acls []ACL) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROLE\tRESOURCE\tNAME\tOPERATION\tWHY")
	for _, a := range acls {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.Role, a.Resource, a.Pattern(), a.Operation, a.Why)
	}
	w.Flush()
	return trimLines(b.String())
}

// Pattern is the name, with a star behind a prefix.
func (a ACL) Pattern() string {
	if a.Prefixed {
		return a.Name + "*"
	}
	return a.Name
}

// String says what is allowed, for people.
func (a ACL) String() string {
	return fmt.Sprintf("%s %s %s, %s", a.Operation, a.Resource, a.Pattern(), a.Why)
}
