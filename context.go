package netchan

import "context"

// checkContext refuses a nil context before anything is done with it.
func checkContext(ctx context.Context, call string) error {
	if ctx == nil {
		return &ArgumentError{Call: call, Arg: "ctx", Problem: "is nil: use context.Background()"}
	}
	return nil
}
