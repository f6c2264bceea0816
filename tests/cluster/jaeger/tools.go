//go:build tools

// Package tools names the program that the tests build from Jaeger.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/all-in-one"
