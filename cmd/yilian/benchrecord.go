package main

import (
	"context"
	"flag"
	"os"
	"time"

	"yilian/internal/app"
	"yilian/internal/errs"
	"yilian/internal/fhirapi/fhirbench"
)

// benchRecord measures the FHIR interface on a loaded store.
func benchRecord(ctx context.Context, args []string) error {
	n, seconds, target, only := 0, 0, "", ""
	err := options("bench record", args, func(fs *flag.FlagSet) {
		fs.IntVar(&n, "n", 500_000, "")
		fs.IntVar(&seconds, "seconds", 10, "")
		fs.StringVar(&target, "db", "data/bench/record.db", "")
		fs.StringVar(&only, "only", "", "")
	})
	if err != nil {
		return err
	}
	serverMemory()
	if n < 1 || seconds < 1 {
		return errs.E(errs.Invalid, "--n 和 --seconds 至少 1")
	}
	d, keys, err := app.OpenBench(ctx, target)
	if err != nil {
		return err
	}
	defer d.Close()
	report, err := fhirbench.Bench(ctx, d, keys, fhirbench.Options{
		Resources: n, Time: time.Duration(seconds) * time.Second, Clients: []int{1, 8}, Progress: os.Stderr, Only: only,
	})
	if err != nil {
		return err
	}
	if len(report.Measures) == 0 {
		return errs.E(errs.Invalid, "没有名称含“%s”的请求可测（--only）", only)
	}
	return report.Print(os.Stdout)
}
