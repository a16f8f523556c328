//go:build !linux

package main

import "errors"

func mute(string) error   { return errors.ErrUnsupported }
func unmute(string) error { return errors.ErrUnsupported }
