package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yilian/internal/app"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/policy"
	"yilian/internal/policy/library"
	"yilian/internal/policy/policyweb"
	"yilian/profiles"
)

func profile(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "new":
			return profileNew(args[1:])
		case "check":
			return profileCheck(args[1:])
		}
	}
	return errs.E(errs.Invalid, "请写 yilian profile new 或 yilian profile check")
}

// profileNew writes a profile from the template.
func profileNew(args []string) error {
	var id, code, title, issuer, region, to string
	err := options("profile new", args, func(fs *flag.FlagSet) {
		fs.StringVar(&id, "id", "", "")
		fs.StringVar(&code, "code", "", "")
		fs.StringVar(&title, "title", "", "")
		fs.StringVar(&issuer, "issuer", "", "")
		fs.StringVar(&region, "region", "", "")
		fs.StringVar(&to, "to", "profiles", "")
	})
	if err != nil {
		return err
	}
	for _, need := range [][2]string{{"id", id}, {"code", code}, {"title", title}, {"issuer", issuer}, {"region", region}} {
		if need[1] == "" {
			return errs.E(errs.Invalid, "yilian profile new 还缺 --%s", need[0])
		}
	}
	today := calendar.DateOf(time.Now())
	text := strings.NewReplacer("{id}", id, "{code}", code, "{title}", title, "{issuer}", issuer, "{jurisdiction}", region,
		"{from}", string(today), "{by}", fmt.Sprintf("%d-12-31", today.Year()+1)).Replace(profiles.Template)
	if _, err := (policy.Sources{id: {"profile.toml": strings.Replace(text, `adopts = "JS-5.3"`, `summary = "示例"`, 1)}}).Load(); err != nil {
		return err
	}
	path := filepath.Join(to, id, "profile.toml")
	if _, err := os.Stat(path); err == nil {
		return errs.E(errs.Invalid, "%s 已经有了，没有改动", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return errs.Because(err, errs.Invalid, "建不了文件夹 %s", filepath.Dir(path))
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return errs.Because(err, errs.Invalid, "写不了 %s", path)
	}
	fmt.Printf("已写好 %s。请改写其中的条款，然后运行 yilian profile check --dir %s\n", path, to)
	return nil
}

// profileCheck says what the profiles of a folder would change.
func profileCheck(args []string) error {
	dir := ""
	if err := options("profile check", args, func(fs *flag.FlagSet) { fs.StringVar(&dir, "dir", "profiles", "") }); err != nil {
		return err
	}
	shipped, folder, err := app.ProfileSources(dir)
	if err != nil {
		return err
	}
	before, err := shipped.Load()
	if err != nil {
		return err
	}
	after, err := shipped.With(folder).Load()
	if err != nil {
		return err
	}
	if len(folder) == 0 {
		return errs.E(errs.Invalid, "文件夹 %s 里没有政策文件（每份文件一个子文件夹，内有 profile.toml）", dir)
	}
	for id := range folder {
		library.Trying(before, after, id, calendar.DateOf(time.Now())).Write(os.Stdout, policyweb.Words)
	}
	return nil
}
