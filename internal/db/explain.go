package db

import (
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"yilian/internal/errs"
)

// PostgreSQL error codes, https://www.postgresql.org/docs/15/errcodes-appendix.html
const (
	pgSerialization = "40001"
	pgDeadlock      = "40P01"
	pgUnique        = "23505"
	pgForeignKey    = "23503"
	pgCheck         = "23514"
	pgDiskFull      = "53100"
	pgIO            = "58030"
	pgTerminated    = "57P01"
	pgCrashed       = "57P02"
	pgShutdown      = "57P" // first three characters: the server stops, crashed or is starting
)

// explain turns the drivers' errors into the program's own: constraint
// violations become Conflict, a disk that takes nothing more and a server that
// does not answer Unavailable. Others pass unchanged.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return explainPostgres(pg, err)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return explainSQLite(lite.Code(), err)
	}
	_, refused := errors.AsType[*pgconn.ConnectError](err)
	switch {
	case refused:
		return noAnswer(err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return diskFull(err)
	}
	return err
}

func explainPostgres(pg *pgconn.PgError, err error) error {
	switch pg.Code {
	case pgUnique:
		return errs.Because(err, errs.Conflict, "同样的记录已经存在")
	case pgForeignKey, pgCheck:
		return errs.Because(err, errs.Conflict, "数据之间的关联不成立，本次操作没有保存")
	case pgDiskFull:
		return diskFull(err)
	case pgIO:
		return diskFails(err)
	}
	if strings.HasPrefix(pg.Code, pgShutdown) {
		return noAnswer(err)
	}
	return err
}

func explainSQLite(code int, err error) error {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return errs.Because(err, errs.Conflict, "同样的记录已经存在")
	case sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC,
		sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE:
		return diskFails(err)
	}
	switch code & 0xff {
	case sqlite3.SQLITE_CONSTRAINT:
		return errs.Because(err, errs.Conflict, "数据之间的关联不成立，本次操作没有保存")
	case sqlite3.SQLITE_FULL:
		return diskFull(err)
	}
	return err
}

func diskFull(err error) error {
	return errs.Because(err, errs.Unavailable, "服务器磁盘已满，本次操作没有保存。请保留页面内容并通知系统管理员清理磁盘后重试")
}

// diskFails is said when a write failed and the disk did not say why: a quota,
// a limit on the size of files, a fault.
func diskFails(err error) error {
	return errs.Because(err, errs.Unavailable, "服务器磁盘写不进去（已满或有故障），本次操作没有保存。请保留页面内容并通知系统管理员检查磁盘后重试")
}

func noAnswer(err error) error {
	return errs.Because(err, errs.Unavailable, "数据库暂时没有应答，本次操作没有保存。请保留页面内容，稍候重试；如仍不行，请通知系统管理员")
}

// uncertain is said when the connection died while committing: the work may
// stand or not. Forms carry a token, so sending again does no harm.
func uncertain(err error) error {
	return errs.Because(err, errs.Unavailable, "保存时与数据库失去联系，不能确定是否已保存。请稍候在原页面再提交一次，不会重复办理")
}

// IsUnique reports whether err is the violation of a uniqueness rule; when
// column is not empty, of one whose text names it.
func IsUnique(err error, column string) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == pgUnique && strings.Contains(pg.ConstraintName+pg.Detail, column)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		code := lite.Code()
		return (code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY) &&
			strings.Contains(lite.Error(), column)
	}
	return false
}

// isLost reports whether a connection turned out to be dead; not whether the
// server cannot be reached at all.
func isLost(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == pgTerminated || pg.Code == pgCrashed
	}
	if _, refused := errors.AsType[*pgconn.ConnectError](err); refused {
		return false
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isRetryable reports whether the engine asks to run the transaction again.
func isRetryable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == pgSerialization || pg.Code == pgDeadlock
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	return false
}
