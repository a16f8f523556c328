package main

import (
	"errors"
	"io"
)

func (o *options) makePlots(io.Writer) error { return errors.New("not yet") }
