package schemas

import (
	"embed"
	"path"
	"slices"
)

//go:embed all:released
var releasedFiles embed.FS

// The codecs of all records.
var (
	EventCodec           = released[Event]("Event")
	PersonEventCodec     = released[PersonEvent]("PersonEvent")
	IdentityMessageCodec = released[IdentityMessage]("IdentityMessage")
	ProfileMessageCodec  = released[ProfileMessage]("ProfileMessage")
	ChangeCodec          = released[Change]("Change")
	TransitionCodec      = released[Transition]("Transition")
	MembershipCodec      = released[Membership]("Membership")
	ScoredCodec          = released[Scored]("Scored")
	ActivationCodec      = released[Activation]("Activation")
	DeadLetterCodec      = released[DeadLetter]("DeadLetter")
	DefinitionCodec      = released[Definition]("Definition")
	ImportCodec          = released[Import]("Import")
	KeyRingCodec         = released[KeyRing]("KeyRing")
	GrowthCodec          = released[Growth]("Growth")
	TickCodec            = released[Tick]("Tick")
	HostStateCodec       = released[HostState]("HostState")

	ComponentCodec      = released[Component]("Component")
	IdentityRowCodec    = released[IdentityRow]("IdentityRow")
	ProfileRowCodec     = released[ProfileRow]("ProfileRow")
	SegmentRowCodec     = released[SegmentRow]("SegmentRow")
	PropensityRowCodec  = released[PropensityRow]("PropensityRow")
	DestinationRowCodec = released[DestinationRow]("DestinationRow")
)

// Record describes a record type without its Go type.
type Record interface {
	Name() string
	Schema() string // JSON
}

// Records lists all record types.
func Records() []Record {
	return []Record{
		EventCodec, PersonEventCodec, IdentityMessageCodec, ProfileMessageCodec, ChangeCodec, TransitionCodec,
		MembershipCodec, ScoredCodec, ActivationCodec, DeadLetterCodec, DefinitionCodec, ImportCodec, KeyRingCodec, GrowthCodec, TickCodec, HostStateCodec,
		ComponentCodec, IdentityRowCodec, ProfileRowCodec, SegmentRowCodec, PropensityRowCodec, DestinationRowCodec,
	}
}

// released makes the codec of a record with all its released versions, which
// lie in released/<release>/<record>.avsc.
func released[T any](name string) *Codec[T] {
	releases, err := releasedFiles.ReadDir("released")
	if err != nil {
		panic(err) // embedded: cannot fail
	}
	var earlier []string
	for _, release := range releases {
		if text, err := releasedFiles.ReadFile(path.Join("released", release.Name(), name+".avsc")); err == nil {
			earlier = append(earlier, string(text))
		}
	}
	slices.Sort(earlier)
	return NewCodec[T](name, slices.Compact(earlier)...)
}
