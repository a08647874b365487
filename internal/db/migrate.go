package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"yilian/internal/errs"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate applies pending migrations, each in a transaction. Several server
// processes on one PostgreSQL may call it at once: one migrates, the others
// wait. A database newer than the program is refused.
func (d *DB) Migrate(ctx context.Context) error {
	dialect, opts := goose.DialectSQLite3, []goose.ProviderOption{goose.WithLogger(goose.NopLogger())}
	if d.engine == Postgres {
		dialect = goose.DialectPostgres
		// Look every second, for five minutes, whether the others are done.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(dialect, d.write, files, opts...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", explain(err))
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; have > newest {
		return errs.E(errs.Unavailable, "数据库版本（%d）比程序（%d）新：请升级程序，或换回与程序相符的数据库。没有做任何改动", have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", explain(err))
	}
	return nil
}

// Version returns the number of the newest applied migration.
func (d *DB) Version(ctx context.Context) (int64, error) {
	var v int64
	err := d.View(ctx, func(tx *Tx) (err error) {
		v, err = Count(ctx, tx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`)
		return err
	})
	return v, err
}
