package main

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"strings"

	"yilian/internal/errs"
)

// options reads the flags of a subcommand; unknown ones and leftovers are
// refused in Chinese.
func options(name string, args []string, define func(*flag.FlagSet)) error {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	define(fs)
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errs.Because(err, errs.Invalid, "yilian %s：%s", name, flagText(err.Error()))
	case fs.NArg() > 0:
		return errs.E(errs.Invalid, "yilian %s 不接受 %q", name, fs.Arg(0))
	}
	return nil
}

// flagText says in Chinese what package flag says in English.
func flagText(text string) string {
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return "没有选项 --" + strings.TrimLeft(name, "-")
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return "选项 --" + name + " 后面缺少内容"
	}
	if rest, ok := strings.CutPrefix(text, "invalid value "); ok {
		value, rest, _ := strings.Cut(rest, " for flag -")
		name, _, _ := strings.Cut(rest, ":")
		return "选项 --" + name + " 的内容 " + value + " 不对，应是整数"
	}
	return "选项写法有误（" + text + "）"
}

// verbosity adds --verbose, which logs every request.
func verbosity(fs *flag.FlagSet) {
	fs.BoolFunc("verbose", "", func(string) error {
		logFrom(slog.LevelInfo)
		return nil
	})
}
