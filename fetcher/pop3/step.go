package pop3

// Step is a part of a POP3 session, named as reports and errors name it.
type Step string

// The steps of a session, in their order. Open takes those up to StepLogin.
const (
	StepConnect  Step = "connect"
	StepGreeting Step = "greeting"
	StepSTLS     Step = "STLS"
	StepCapa     Step = "CAPA"
	StepLogin    Step = "login"
	StepListing  Step = "listing"
	StepRetr     Step = "RETR"
	StepTop      Step = "TOP"
	StepDele     Step = "DELE"
	StepQuit     Step = "QUIT"
)
