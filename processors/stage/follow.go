package stage

// Follower hears of the steps that a message sets off, while they run. It is for
// whoever watches: nothing that it does changes what comes out.
type Follower interface {
	Begin(stage, topic string) // a step of the stage begins, for a record of the topic, or "(wake)"
	End()                      // it has returned
	Refused(stage, reason string)
}
