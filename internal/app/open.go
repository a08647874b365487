package app

import (
	"context"
	"errors"
	"net/url"
	"os"
	"slices"
	"time"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// openDatabase opens a database and says in plain words why it cannot.
func openDatabase(ctx context.Context, target string) (*db.DB, error) {
	d, err := db.Open(ctx, target)
	switch {
	case err == nil:
		return d, nil
	case ctx.Err() != nil:
		return nil, err
	case db.IsPostgres(target):
		return nil, errs.Because(err, errs.Unavailable, "连不上数据库 %s：请检查地址、账号、数据库名，以及数据库服务是否在运行（%v）", plain(target), cause(err))
	}
	return nil, errs.Because(err, errs.Unavailable, "打不开数据库文件 %s：请检查它是不是本系统的数据库，以及文件夹的权限和磁盘空间（%v）", target, cause(err))
}

// cause is what stands behind a sentence for users, for the administrator.
func cause(err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok && errors.Unwrap(e) != nil {
		return errors.Unwrap(e)
	}
	return err
}

// plain is a database address without its password.
func plain(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "（地址写法有误）"
	}
	return u.Redacted()
}

// existing opens a database that must be there, with its keys, without the
// rest of the program.
func existing(ctx context.Context, cfg Config) (*db.DB, *crypto.Keyring, error) {
	cfg = cfg.filled(".")
	if !db.IsPostgres(cfg.Database) {
		if _, err := os.Stat(cfg.Database); err != nil {
			return nil, nil, errs.Because(err, errs.Invalid, "没有找到数据库文件 %s", cfg.Database)
		}
	}
	keys, err := crypto.Load(cfg.KeyFile)
	if err != nil {
		return nil, nil, err
	}
	d, err := openDatabase(ctx, cfg.Database)
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.Version(ctx); err != nil {
		return nil, nil, errors.Join(errs.Because(err, errs.Invalid, "%s 不是本系统的数据库，或还没有建立", plain(cfg.Database)), d.Close())
	}
	err = d.View(ctx, func(tx *db.Tx) error { return belong(ctx, tx, keys, cfg.KeyFile) })
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return d, keys, nil
}

// keyMark is the setting that names the key file a database was begun with: a
// keyed hash that only a file with the same keys can make.
const keyMark = "keys.made"

// keyMarkOf is the mark that a keyring leaves, under each of its keys.
func keyMarkOf(k *crypto.Keyring) []string { return k.Indexes(keyMark, "yilian") }

// markIn reads the mark of a database, "" when it has none yet.
func markIn(ctx context.Context, tx *db.Tx) (string, error) {
	marks, err := db.List(ctx, tx, db.Value[string], `SELECT value FROM setting WHERE name = $1`, keyMark)
	if err != nil || len(marks) == 0 {
		return "", err
	}
	return marks[0], nil
}

// belong refuses keys that are not those of the database: numbers sealed
// before could not be read, and those sealed now not found by other processes.
func belong(ctx context.Context, tx *db.Tx, k *crypto.Keyring, path string) error {
	mark, err := markIn(ctx, tx)
	if err != nil || mark == "" || slices.Contains(keyMarkOf(k), mark) {
		return err
	}
	return errs.E(errs.Unavailable, "密钥文件 %s 与数据库不相配：数据库的内容是用另一份密钥文件加密的。请换回原来的密钥文件。没有做任何改动", path)
}

// keysOf loads the key file of a migrated database. It makes one for a new
// database only: a database whose keys are missing must not get others, or its
// numbers are lost.
func keysOf(ctx context.Context, d *db.DB, cfg Config) (*crypto.Keyring, error) {
	var mark string
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		mark, err = markIn(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	k, made, err := loadOrCreate(ctx, cfg, mark != "")
	if err != nil {
		return nil, err
	}
	if mark != "" {
		return k, d.View(ctx, func(tx *db.Tx) error { return belong(ctx, tx, k, cfg.KeyFile) })
	}
	err = d.Tx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`,
			keyMark, keyMarkOf(k)[0]); err != nil {
			return err
		}
		return belong(ctx, tx, k, cfg.KeyFile)
	})
	if err != nil && made {
		// Another machine began the database meanwhile: these keys protect nothing.
		err = errors.Join(err, os.Remove(cfg.KeyFile))
	}
	return k, err
}

// createTries bounds how often the start looks again while another process on
// this machine is writing the first key file.
const createTries = 50

func loadOrCreate(ctx context.Context, cfg Config, needed bool) (k *crypto.Keyring, made bool, err error) {
	path := cfg.KeyFile
	for range createTries {
		if _, serr := os.Stat(path); serr == nil {
			k, err = crypto.Load(path)
			return k, false, err
		}
		if needed {
			return nil, false, errs.E(errs.Unavailable, "找不到密钥文件 %s，而数据库里已有用它加密的内容。请把原来的密钥文件放回原处；不要新建，否则身份证号、电话和病历内容将无法读出", path)
		}
		if k, err = crypto.Create(path, cfg.Suite); !errs.Is(err, errs.Conflict) {
			return k, err == nil, err
		}
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, false, err
}
