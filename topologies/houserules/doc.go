// Package houserules holds no code, only tests that read the source of the
// whole project and fail where a rule of the design is broken, with the reason
// for the rule. In: every Go file below the root. Out: failures.
//
// Not here: formatting and vetting; see the Makefile.
package houserules
