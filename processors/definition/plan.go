package definition

import (
	"time"

	"kairos/processors/expression"
	"kairos/schemas"
)

// Plan is everything that the stages follow: the definitions, checked and
// compiled. It is immutable and safe for concurrent use.
type Plan struct {
	Identity     IdentityRules
	Profile      ProfileRules
	Events       map[string]map[string]expression.Type // fields of the events that are defined, by name
	Expires      map[string]time.Duration              // by event name: how long after it happened such an event counts; the others count for ever
	Terms        []*expression.Term                    // of all audiences, features and models, each once, by rising ID
	Series       []*expression.Series                  // of all terms, each once, by rising ID
	Features     []Feature                             // named by people, sorted by name
	Groups       []Group                               // kinds of groups, sorted by name
	Audiences    []Audience                            // published and paused ones, sorted so that each comes after those it refers to
	Drafts       []Audience                            // checked, and evaluated for nobody; sorted as Audiences
	Retired      []Audience                            // by name, without their expressions: everybody has exited
	Models       []Model                               // sorted by name
	Destinations []Destination                         // sorted by name
	Mappings     []Mapping                             // sorted by name
	Policies     []Policy                              // sorted by name
	Sources      []Source                              // that have a tracking plan, sorted by name
	Labels       FieldLabels
}

// IdentityRules say what links people.
type IdentityRules struct {
	Namespaces     []Namespace // by falling strength; an unlisted one is weaker than all and links
	MaxIdentifiers int         // per person; further links are refused
	MaxLinks       int         // per identifier; one with more links no longer links anybody (it is "hot")
}

// Namespace is a kind of identifier.
type Namespace struct {
	Name      string
	Priority  int  // higher is stronger: accepted first, and primary in an event
	PerPerson int  // at most so many of it in one person; 0: any number
	Links     bool // false: never joins people
	Blocked   func(value string) bool
	Window    time.Duration // PerPerson holds for those first seen within any span shorter than it; 0: for ever
	Session   time.Duration // a shared device, whose links hold within a session: until it was not used for so long, in whole minutes; 0: for ever
	Expires   time.Duration // whoever has only identifiers with an expiry is forgotten after so long a silence; 0: never
	Labels    []string      // of its values
	Country   Country       // of telephone numbers without a country code; zero: they stay as they are
	Strict    bool          // a shared device: it never joins two people whom stronger identifiers name; false: the newest login has it
}

// ProfileRules say what profile keeps and whom it believes.
type ProfileRules struct {
	TimelineEvents  int                        // per person
	DuplicateWindow time.Duration              // how long event ids are remembered
	ExactPoints     int                        // per series and fragment, kept exactly; older ones in buckets
	Survivorship    map[string]Survivorship    // by attribute name
	Types           map[string]expression.Type // of attributes, where the definition says so; what is of another type is not taken
	SourcePriority  map[string]int             // by source; higher wins among equal times
	Labels          map[string][]string        // by attribute
}

// Survivorship says which claim about an attribute counts.
type Survivorship uint8

// The kinds of survivorship.
const (
	Newest   Survivorship = iota // by event time, then source priority, then value
	Priority                     // by source priority, then event time, then value
	First                        // the oldest
	Largest                      // the greatest value
	Union                        // the list of all, sorted by value: of more than expression.MostListed those that were said last
)

// Feature is a term or expression with a name, kept for people and models.
type Feature struct {
	Name        string
	Description string
	Expression  *expression.Expression
}

// Audience is a condition that a person meets or not.
type Audience struct {
	Name        string
	Description string
	Owner       string
	Tags        []string
	Labels      map[string]string
	Version     int64
	Expression  *expression.Expression
	UsesScores  bool // itself or through an audience it refers to
	State       State
	From        schemas.Instant // nobody is a member before; 0: no such bound
	Until       schemas.Instant // nobody is a member from then on; 0: no such bound
	Tests       []Test          // its author's
	Reads       []Labelled      // labelled fields that it looks at, itself or through what it refers to
}

// Open reports whether the schedule lets anybody be a member at t.
func (a *Audience) Open(t schemas.Instant) bool {
	return t >= a.From && (a.Until == 0 || t < a.Until)
}

// State is where an audience is in its life.
type State uint8

// The states of audiences.
const (
	Published State = iota
	Paused          // nobody enters and nobody exits, save who ceases to be a person of their own
	Draft           // checked, and evaluated for nobody
	Retired         // everybody exits; the name stays taken
)

var stateWords = []string{"published", "paused", "draft", "retired"}

// String is the word for s in definitions.
func (s State) String() string { return stateWords[s] }

// Model scores people: logistic regression, or trees read from LightGBM's text
// model, over inputs in the expression language.
type Model struct {
	Name        string
	Description string
	Version     int64
	Inputs      []ModelInput
	Intercept   float64
	Trees       []Tree // empty: logistic
	Calibration Calibration
}

// ModelInput is one column of a model.
type ModelInput struct {
	Name       string
	Expression *expression.Expression
	Weight     float64 // logistic only
	Mean       float64 // of the training population: what reasons compare with; also stands in for a null
	Scale      float64 // the value enters as (value-Mean)/Scale; 0 counts as 1
}

// Tree is one boosted tree. Node 0 is the root; a negative child -k-1 is leaf k.
type Tree struct {
	Feature   []int     // input number, per node
	Threshold []float64 // per node: value <= threshold goes left
	Left      []int
	Right     []int
	Leaf      []float64 // log-odds, per leaf
	Expected  []float64 // per node then per leaf: mean output below, for reasons
}

// Calibration maps log-odds x to the probability 1/(1+exp(-(A*x+B))) (Platt).
type Calibration struct{ A, B float64 }

// Destination is a system that wants audiences.
type Destination struct {
	Name        string
	Description string
	Version     int64
	Audiences   []string // sorted
	Identifiers []string // namespaces that it may see, in the order it wants them
	Hash        []string // of those, the namespaces given only as SHA-256 in hexadecimal
	Attributes  []string // that its records carry
	Consent     []string // purposes; each needs the attribute consent.<purpose> to be true
	Presumed    bool     // who has said nothing about a purpose agrees; false: refuses
	Actions     []string // what it is for: marketing actions that policies speak of
}
