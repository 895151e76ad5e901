// Command bench measures the product beside minimal baselines, on the same Redis, in one run, and prints ratios: absolute
// figures say more about the machine than about the program.
//
//	go run ./internal/bench            throughput, latency and CPU per request against the baselines (make bench)
//	go run ./internal/bench dialects   the dialects of other systems beside the own API (part of the above)
//	go run ./internal/bench operate    import, search, preview, and minting with definitions and groups beside minting without
//	go run ./internal/bench memory     bytes per user in redis-server against bare hashes
//	go run ./internal/bench start      time from starting the binary to the first token
//
// Load comes from wrk, and from a loader of our own where each request is used once. Where there are two cores, the server under test
// has one, and Redis and the load share the other. Everything listens on loopback and ends with the run.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	task := ""
	if len(os.Args) > 1 {
		task = os.Args[1]
	}
	var err error
	switch task {
	case "":
		err = compare(ctx)
	case "dialects":
		err = compareDialects(ctx)
	case "operate":
		err = operate(ctx)
	case "memory":
		err = memory(ctx)
	case "start":
		err = start(ctx)
	case "baseline": // the process under test, started by compare
		err = serveBaseline(os.Args[2], os.Args[3])
	case "send": // a load wrk cannot make, started by compare
		err = send(os.Args[2])
	case "call": // calls by a client in Go, started by compare
		err = makeCalls(ctx, os.Args[2])
	default:
		err = fmt.Errorf("unknown task %q: there are dialects, operate, memory, start, and none for the comparison", task)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
