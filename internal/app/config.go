// Package app wires the modules together. It is the only package that knows
// all of them.
package app

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange"
	"yilian/internal/subscription"
)

// Config is the configuration file of `yilian serve`. Zero values are usable:
// an empty file serves SQLite in ./data on the loopback address.
type Config struct {
	Database    string       `toml:"database"`     // SQLite file, or postgres://…; default data/yilian.db
	Address     string       `toml:"address"`      // host:port; default 127.0.0.1:8080
	KeyFile     string       `toml:"key_file"`     // keys, outside the database; default data/yilian.keys
	Suite       crypto.Suite `toml:"suite"`        // of a new key file: sm (default) or intl
	Profiles    string       `toml:"profiles"`     // folder of policy profiles, which join the shipped ones or take the place of their namesakes
	Region      string       `toml:"region"`       // profile whose region this installation serves, for its reference data; default lingling
	Name        string       `toml:"name"`         // shown beside the mark; default the region's name
	IdleMinutes int          `toml:"idle_minutes"` // lock after so long without input; default 15
	// Public is the address by which others reach this server, for example
	// https://yilian.example.cn: links of /fhir bear it, and references that
	// bear it are the server's own. Empty: the address of each request.
	Public string `toml:"public"`
	TLS    struct {
		Certificate string `toml:"certificate"`
		Key         string `toml:"key"`
	} `toml:"tls"`

	// MLLP takes HL7 v2 messages of hospital systems; without an address nobody
	// listens.
	MLLP struct {
		Address     string                `toml:"address"` // host:port, for example 0.0.0.0:2575
		Certificate string                `toml:"certificate"`
		Key         string                `toml:"key"`
		Peers       []exchange.PeerConfig `toml:"peers"`
	} `toml:"mllp"`

	// FHIR is the interface for other systems.
	FHIR struct {
		Hooks []string `toml:"hooks"` // where subscriptions may send notifications: https://host:port; none: nowhere
	} `toml:"fhir"`

	Demo    bool      `toml:"-"` // demonstration data; shows a banner
	Founded time.Time `toml:"-"` // when reference data counts as known; zero: now
}

// LoadConfig reads a configuration file. An unknown setting is an error that
// names file and line.
func LoadConfig(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, errs.Because(err, errs.Invalid, "读不到配置文件 %s", path)
	}
	var c Config
	dec := toml.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Config{}, configError(path, err)
	}
	base := filepath.Dir(path)
	for _, p := range []*string{&c.KeyFile, &c.Profiles, &c.TLS.Certificate, &c.TLS.Key, &c.MLLP.Certificate, &c.MLLP.Key} {
		*p = beside(base, *p)
	}
	if c.Database != "" && !strings.Contains(c.Database, "://") {
		c.Database = beside(base, c.Database)
	}
	return c.filled(base), c.check(path)
}

// beside makes a relative path relative to the configuration file.
func beside(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

func (c Config) filled(base string) Config {
	set := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	set(&c.Database, filepath.Join(base, "data", "yilian.db"))
	set(&c.KeyFile, filepath.Join(base, "data", "yilian.keys"))
	set(&c.Address, "127.0.0.1:8080")
	set(&c.Region, "lingling")
	set((*string)(&c.Suite), "sm")
	if c.IdleMinutes == 0 {
		c.IdleMinutes = 15
	}
	return c
}

func (c Config) check(path string) error {
	var f errs.Form
	if c.Suite != "" && c.Suite != "sm" && c.Suite != "intl" {
		f.Add("suite", "配置文件 %s：suite 只能是 \"sm\"（国密）或 \"intl\"（国际算法）", path)
	}
	if strings.Contains(c.Database, "://") && !db.IsPostgres(c.Database) {
		f.Add("database", "配置文件 %s：database 应是文件路径（SQLite）或 postgres:// 开头的地址", path)
	}
	if u, err := url.Parse(c.Public); c.Public != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		f.Add("public", "配置文件 %s：public 应是完整的地址，例如 https://yilian.example.cn", path)
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		f.Add("tls", "配置文件 %s：tls.certificate 与 tls.key 要一起填写", path)
	}
	if (c.MLLP.Certificate == "") != (c.MLLP.Key == "") {
		f.Add("mllp", "配置文件 %s：mllp.certificate 与 mllp.key 要一起填写", path)
	}
	if c.MLLP.Address == "" && len(c.MLLP.Peers) > 0 {
		f.Add("mllp", "配置文件 %s：写了 mllp.peers，还要写 mllp.address", path)
	}
	if err := subscription.CheckHosts(c.FHIR.Hooks); err != nil {
		f.Add("hooks", "配置文件 %s：fhir.hooks 的%v", path, err)
	}
	if c.IdleMinutes < 0 || c.IdleMinutes > 240 {
		f.Add("idle_minutes", "配置文件 %s：idle_minutes 应在 1 到 240 之间", path)
	}
	return f.Err()
}

func configError(path string, err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var lines []string
		for _, e := range strict.Errors {
			row, _ := e.Position()
			lines = append(lines, fmt.Sprintf("第 %d 行：不认识的设置 %q", row, strings.Join(e.Key(), ".")))
		}
		return errs.Because(err, errs.Invalid, "配置文件 %s %s", path, strings.Join(lines, "；"))
	}
	if dec, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, col := dec.Position()
		return errs.Because(err, errs.Invalid, "配置文件 %s 第 %d 行第 %d 列写法有误：%s", path, row, col, dec.Error())
	}
	return errs.Because(err, errs.Invalid, "配置文件 %s 读不懂：%v", path, err)
}
