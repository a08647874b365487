package main

import (
	"context"
	"flag"
	"path/filepath"
	"time"

	"yilian/internal/app"
	"yilian/internal/simulate"
)

func demo(ctx context.Context, args []string) error {
	addr, data := "", ""
	err := options("demo", args, func(fs *flag.FlagSet) {
		fs.StringVar(&addr, "addr", "127.0.0.1:8080", "")
		fs.StringVar(&data, "data", filepath.Join("data", "demo"), "")
		verbosity(fs)
	})
	if err != nil {
		return err
	}
	cfg := inFolder(data)
	cfg.Address, cfg.Demo, cfg.Founded = addr, true, simulate.Founded(time.Now())
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
