package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"

	"yilian/internal/app"
	"yilian/internal/errs"
)

func backup(ctx context.Context, args []string) error {
	var to string
	cfg, err := where("backup", args, func(fs *flag.FlagSet) { fs.StringVar(&to, "to", "", "") })
	if err != nil {
		return err
	}
	if to == "" {
		return errs.E(errs.Invalid, "请用 --to 指定备份文件")
	}
	rows, err := app.Backup(ctx, cfg, to)
	if err != nil {
		return err
	}
	fmt.Printf("已备份 %d 行到 %s。密钥文件 %s 不在备份内，请另行保存\n", rows, to, cfg.KeyFile)
	return nil
}

func restore(ctx context.Context, args []string) error {
	var from string
	cfg, err := where("restore", args, func(fs *flag.FlagSet) { fs.StringVar(&from, "from", "", "") })
	if err != nil {
		return err
	}
	f, err := os.Open(from)
	if err != nil {
		return errs.Because(err, errs.Invalid, "读不到备份文件 %q（用 --from 指定）", from)
	}
	defer f.Close()
	rows, report, err := app.Restore(ctx, cfg, bufio.NewReader(f))
	if err != nil {
		return err
	}
	fmt.Printf("已恢复 %d 行；审计链完整：已封存 %d 条，待封存 %d 条\n", rows, report.Sealed, report.Unsealed)
	return nil
}

func auditVerify(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "verify" {
		return errs.E(errs.Invalid, "用法：yilian audit verify --data DIR 或 --config FILE")
	}
	cfg, err := where("audit verify", args[1:], nil)
	if err != nil {
		return err
	}
	report, err := app.VerifyAudit(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("审计链完整：已封存 %d 条，待封存 %d 条，签名检查点 %d 个\n", report.Sealed, report.Unsealed, report.Checkpoints)
	return nil
}

func keysRotate(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "rotate" {
		return errs.E(errs.Invalid, "用法：yilian keys rotate --data DIR 或 --config FILE")
	}
	cfg, err := where("keys rotate", args[1:], nil)
	if err != nil {
		return err
	}
	n, err := app.RotateKeys(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("已启用新密钥，%d 位患者的号码已用新密钥重新加密。请重启服务进程，并重新保存密钥文件 %s\n", n, cfg.KeyFile)
	return nil
}
