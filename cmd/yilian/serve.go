package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"

	"yilian/internal/app"
	"yilian/internal/errs"
)

// where reads --config or --data and returns the configuration they mean.
func where(name string, args []string, more func(*flag.FlagSet)) (app.Config, error) {
	var config, data string
	err := options(name, args, func(fs *flag.FlagSet) {
		fs.StringVar(&config, "config", "", "")
		fs.StringVar(&data, "data", "", "")
		if more != nil {
			more(fs)
		}
	})
	if err != nil {
		return app.Config{}, err
	}
	switch {
	case config != "" && data == "":
		return app.LoadConfig(config)
	case data != "" && config == "":
		return inFolder(data), nil
	}
	return app.Config{}, errs.E(errs.Invalid, "请用 --config 指定配置文件，或用 --data 指定数据文件夹（二选一）")
}

// inFolder is the configuration of the demo: everything in one folder.
func inFolder(dir string) app.Config {
	return app.Config{Database: filepath.Join(dir, "yilian.db"), KeyFile: filepath.Join(dir, "yilian.keys")}
}

func serve(ctx context.Context, args []string) error {
	cfg, err := where("serve", args, verbosity)
	if err != nil {
		return err
	}
	serverMemory()
	a, err := app.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer a.Close()
	return quiet(a.Serve(ctx, func(addr string) { fmt.Println("listening " + addr) }))
}

func admin(ctx context.Context, args []string) error {
	cfg, err := where("admin", args, nil)
	if err != nil {
		return err
	}
	list, err := app.FirstAdmins(ctx, cfg)
	for _, a := range list {
		fmt.Printf("%-16s %s  首次登录密码 %s\n", a.Login, a.Title, a.Password)
	}
	return err
}

func migrate(ctx context.Context, args []string) error {
	cfg, err := where("migrate", args, nil)
	if err != nil {
		return err
	}
	a, err := app.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer a.Close()
	v, err := a.DB.Version(ctx)
	fmt.Printf("数据库版本 %d\n", v)
	return err
}
