package main

import (
	"context"
	"flag"
	"io"
	"os"

	"yilian/internal/app"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/linkage"
	"yilian/internal/people"
)

const benchUsage = "用法：yilian bench patient|mpi [--n 人数] [--queries 次数] [--db FILE|postgres://…]；mpi 另有 [--learn FILE]；" +
	"yilian bench record [--n 资源数] [--seconds 每项秒数] [--only 请求名的一部分] [--db FILE|postgres://…]"

func bench(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "record" {
		return benchRecord(ctx, args[1:])
	}
	if len(args) == 0 || args[0] != "patient" && args[0] != "mpi" {
		return errs.E(errs.Invalid, benchUsage)
	}
	n, queries, target, learn := 0, 0, "", ""
	err := options("bench "+args[0], args[1:], func(fs *flag.FlagSet) {
		fs.IntVar(&n, "n", 600_000, "")
		fs.IntVar(&queries, "queries", 2000, "")
		fs.StringVar(&target, "db", "data/bench/"+args[0]+".db", "")
		if args[0] == "mpi" {
			fs.StringVar(&learn, "learn", "", "")
		}
	})
	if err != nil {
		return err
	}
	if n < 1 || queries < 1 {
		return errs.E(errs.Invalid, "--n 和 --queries 至少 1")
	}
	if learn != "" {
		return learnWeights(learn, min(n, 60_000))
	}
	d, keys, err := app.OpenBench(ctx, target)
	if err != nil {
		return err
	}
	defer d.Close()
	var report interface{ Print(w io.Writer) error }
	if args[0] == "patient" {
		report, err = people.Bench(ctx, d, keys, n, queries)
	} else {
		report, err = linkage.Bench(ctx, d, keys, n, queries)
	}
	if err != nil {
		return err
	}
	return report.Print(os.Stdout)
}

// learnDay is the day of the set that the shipped weights were learnt from.
const learnDay calendar.Date = "2026-11-27"

// learnWeights writes the weights of the master index anew.
func learnWeights(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return errs.Because(err, errs.Invalid, "不能写入文件 %s", path)
	}
	defer f.Close()
	return linkage.WriteWeights(f, n, n*2/3, learnDay)
}
