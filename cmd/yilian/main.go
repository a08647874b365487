// Command yilian is the working platform of a regional medical alliance.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"yilian/internal/errs"
)

// command is one subcommand: its name, what it does, and its body.
type command struct {
	name, usage, what string
	run               func(ctx context.Context, args []string) error
}

var commands = []command{
	{"demo", "[--region lingling|zhengzhou|jiangsu] [--addr 127.0.0.1:8080] [--data DIR] [--verbose]", "演示：文件写明的医联体与虚构居民，默认零陵区", demo},
	{"serve", "--config FILE [--verbose]", "启动服务（--verbose 记录每个请求）", serve},
	{"admin", "--config FILE", "建立三位管理员账号（新系统只做一次）", admin},
	{"migrate", "--config FILE", "升级数据库后退出", migrate},
	{"backup", "--config FILE | --data DIR  --to FILE", "备份数据库（密钥文件请另行妥善保存）", backup},
	{"restore", "--config FILE | --data DIR  --from FILE", "恢复到空数据库，并校验审计链", restore},
	{"audit", "verify --config FILE | --data DIR", "校验审计链", auditVerify},
	{"keys", "rotate --config FILE | --data DIR", "更换加密密钥（旧密钥仍可解密旧内容）", keysRotate},
	{"profile", "new --id --code --title --issuer --region [--to DIR] | check --dir DIR", "写一份地区政策文件；检查它会改变什么", profile},
	{"bench", "patient|mpi [--n 600000] [--db FILE|postgres://…]", "测量检索速度；主索引的准确率和速度", bench},
}

func main() {
	logFrom(slog.LevelWarn)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	os.Exit(exitCode(ctx, run(ctx, os.Args[1:])))
}

// exitCode says what went wrong: 2 for a command line, file or setting that
// the caller mends, 1 for the rest.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		usage(os.Stdout)
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "已中断，命令没有做完")
		return 1
	}
	fmt.Fprintln(os.Stderr, "错误："+err.Error())
	if errs.Is(err, errs.Invalid) {
		return 2
	}
	return 1
}

// logFrom sends log lines of the level and above to the standard error.
func logFrom(level slog.Level) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		usage(os.Stderr)
		return errs.E(errs.Invalid, "请写明要做什么")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:])
		}
	}
	usage(os.Stderr)
	return errs.E(errs.Invalid, "不认识的命令 %q", args[0])
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "用法：yilian 命令 [选项]")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %-48s %s\n", c.name, c.usage, c.what)
	}
}

// quiet turns the end of a command by Ctrl-C into success.
func quiet(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
