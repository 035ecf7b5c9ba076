// Serves go-containerregistry's registry with its referrers API on: registry ADDRESS.
// `crane registry serve` is the same without it.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: registry ADDRESS")
		os.Exit(2)
	}
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	err := http.ListenAndServe(os.Args[1], registry.New(registry.WithReferrersSupport(true), quiet))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
