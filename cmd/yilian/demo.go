package main

import (
	"context"
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"yilian/internal/app"
	"yilian/internal/errs"
	"yilian/internal/simulate"
)

func demo(ctx context.Context, args []string) error {
	addr, data, place := "", "", ""
	err := options("demo", args, func(fs *flag.FlagSet) {
		fs.StringVar(&addr, "addr", "127.0.0.1:8080", "")
		fs.StringVar(&data, "data", "", "")
		fs.StringVar(&place, "region", "lingling", "")
		verbosity(fs)
	})
	if err != nil {
		return err
	}
	serverMemory()
	if !slices.Contains(simulate.Regions(), place) {
		return errs.E(errs.Invalid, "yilian demo：没有地区 %s，--region 可选 %s", place, strings.Join(simulate.Regions(), "、"))
	}
	if data == "" { // each region has a folder of its own
		data = filepath.Join("data", "demo")
		if place != "lingling" {
			data += "-" + place
		}
	}
	cfg := simulate.Config(inFolder(data), place, time.Now())
	cfg.Address = addr
	a, err := app.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer a.Close()
	world, err := simulate.Demo(ctx, a)
	if err != nil {
		return err
	}
	return quiet(a.Serve(ctx, func(addr string) { world.Announce("http://" + addr) }))
}
