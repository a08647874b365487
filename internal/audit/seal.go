package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

const (
	sealBatch       = 500              // leaves of one sealing transaction
	sealEvery       = time.Second      // how often Run looks for unsealed leaves
	checkpointEvery = time.Minute      // how often Run signs, when something was sealed
	lastSeal        = 10 * time.Second // what Run allows itself after ctx has ended
)

// errMoved says that another sealer moved the head first.
var errMoved = errors.New("audit head has moved")

// Seal chains all leaves that are not yet chained and returns how many. Any
// number of processes may seal at once: the head moves by compare-and-set.
func (l *Log) Seal(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := l.sealSome(ctx)
		if errors.Is(err, errMoved) {
			continue
		}
		total += n
		if err != nil || n < sealBatch {
			return total, err
		}
	}
}

// sealSome chains up to one batch.
func (l *Log) sealSome(ctx context.Context) (int, error) {
	n := 0
	err := l.d.Tx(ctx, func(tx *db.Tx) error {
		n = 0
		from, err := readHead(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := db.List(ctx, tx, readRow, `SELECT l.id, l.at, l.account, l.person, l.name, l.role, l.org, l.org_name, l.self,
			l.action, l.object, l.object_id, l.patient, l.outcome, l.more
			FROM audit_pending p JOIN audit_leaf l ON l.id = p.leaf_id ORDER BY p.leaf_id LIMIT $1`, sealBatch)
		if err != nil || len(rows) == 0 {
			return err
		}
		to, args, ids := from, make([]any, 0, 4*len(rows)), make([]string, 0, len(rows))
		for _, r := range rows {
			leafHash := l.keys.Digest(r.parts()...)
			to = head{to.seq + 1, l.keys.Digest(chainParts(to.chain, to.seq+1, leafHash)...)}
			args = append(args, to.seq, r.id, leafHash, to.chain)
			ids = append(ids, r.id)
		}
		// The head first: a second sealer waits here and begins again with
		// the moved head, instead of meeting the first one's links.
		moved, err := tx.Exec(ctx, `UPDATE audit_head SET seq = $1, chain_hash = $2 WHERE id = 1 AND seq = $3 AND chain_hash = $4`,
			to.seq, to.chain, from.seq, from.chain)
		if err != nil {
			return err
		}
		if moved != 1 {
			return errMoved
		}
		if err := tx.InsertAll(ctx, insertLink, args); err != nil {
			return err
		}
		query, list := db.Expand(`DELETE FROM audit_pending WHERE leaf_id IN ($list)`, nil, ids)
		if _, err := tx.Exec(ctx, query, list...); err != nil {
			return err
		}
		n = len(rows)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("seal audit log: %w", err)
	}
	return n, nil
}

const insertLink = `INSERT INTO audit_link (seq, leaf_id, leaf_hash, chain_hash) VALUES ($1, $2, $3, $4)`

// chainParts lists what a chain hash covers.
func chainParts(previous string, seq int64, leafHash string) [][]byte {
	return [][]byte{[]byte(previous), strconv.AppendInt(nil, seq, 10), []byte(leafHash)}
}

// Checkpoint is a signed place in the chain. Members may hold each other's: a
// chain that was rewritten as a whole no longer has it.
type Checkpoint struct {
	Seq       int64     `json:"seq"`
	ChainHash string    `json:"chain_hash"`
	At        time.Time `json:"at"`
	Signature string    `json:"signature"`
}

func (c Checkpoint) signed() []byte {
	return fmt.Appendf(nil, "yilian audit checkpoint\n%d\n%s\n%d\n", c.Seq, c.ChainHash, c.At.UnixMilli())
}

func readCheckpoint(scan db.Scan) (c Checkpoint, err error) {
	var at db.Time
	err = scan(&c.Seq, &c.ChainHash, &at, &c.Signature)
	c.At = at.Time
	return c, err
}

// Checkpoint signs the present end of the chain and returns the signed place;
// an end that is signed already is returned as it is. A chain without leaves
// has no checkpoint: errs.NotFound.
func (l *Log) Checkpoint(ctx context.Context) (Checkpoint, error) {
	var c Checkpoint
	err := l.d.Tx(ctx, func(tx *db.Tx) error {
		end, err := readHead(ctx, tx)
		if err != nil {
			return err
		}
		if end.seq == 0 {
			return errs.E(errs.NotFound, "审计链还没有记录，不能签署检查点")
		}
		c = Checkpoint{Seq: end.seq, ChainHash: end.chain, At: tx.Now}
		if c.Signature, err = l.keys.Sign(c.signed()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO audit_checkpoint (seq, chain_hash, at, signature) VALUES ($1, $2, $3, $4)
			ON CONFLICT (seq) DO NOTHING`, c.Seq, c.ChainHash, db.At(c.At), c.Signature); err != nil {
			return err
		}
		c, err = lastCheckpoint(ctx, tx)
		return err
	})
	return c, err
}

// lastCheckpoint returns the newest checkpoint; errs.NotFound when there is
// none.
func lastCheckpoint(ctx context.Context, tx *db.Tx) (Checkpoint, error) {
	return db.Get(ctx, tx, "审计检查点", readCheckpoint,
		`SELECT seq, chain_hash, at, signature FROM audit_checkpoint ORDER BY seq DESC LIMIT 1`)
}

// Holds checks a checkpoint that was kept outside this database: its signature,
// and that the chain still has it.
func (l *Log) Holds(ctx context.Context, tx *db.Tx, c Checkpoint) error {
	if err := l.keys.Verify(c.signed(), c.Signature); err != nil {
		return err
	}
	chain, err := db.Get(ctx, tx, "审计链的第 "+strconv.FormatInt(c.Seq, 10)+" 号记录", db.Value[string],
		`SELECT chain_hash FROM audit_link WHERE seq = $1`, c.Seq)
	if err != nil {
		return err
	}
	if chain != c.ChainHash {
		return errs.E(errs.Conflict, "审计链第 %d 号记录与检查点不符：此前的记录被改写过", c.Seq)
	}
	return nil
}

// State is what a page shows of the chain without walking it.
type State struct {
	Sealed, Unsealed int64
	Last             Checkpoint // zero when none was signed yet
}

// StateOf reads the state of the chain.
func StateOf(ctx context.Context, tx *db.Tx) (State, error) {
	end, err := readHead(ctx, tx)
	if err != nil {
		return State{}, err
	}
	s := State{Sealed: end.seq}
	if s.Unsealed, err = db.Count(ctx, tx, `SELECT count(*) FROM audit_pending`); err != nil {
		return State{}, err
	}
	s.Last, err = lastCheckpoint(ctx, tx)
	if errs.Is(err, errs.NotFound) {
		err = nil
	}
	return s, err
}

// Run seals every second and signs a checkpoint every minute until ctx ends;
// then it seals and signs once more, so that a server that is shut down leaves
// nothing unsealed. Several processes may run it.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	sinceSigned, moved, failing := time.Duration(0), true, false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSeal)
			defer cancel()
			return l.beat(last, true, &moved)
		case <-tick.C:
		}
		sinceSigned += sealEvery
		sign := sinceSigned >= checkpointEvery
		err := l.beat(ctx, sign, &moved)
		if sign && err == nil {
			sinceSigned = 0
		}
		if err != nil && !failing && ctx.Err() == nil {
			slog.Error("audit chain is not being sealed", "error", err)
		}
		failing = err != nil
	}
}

// beat seals what waits and, when asked and the chain has moved since, signs.
func (l *Log) beat(ctx context.Context, sign bool, moved *bool) error {
	n := int64(0)
	// Looking costs no write lock; most seconds of a small county are idle.
	err := l.d.View(ctx, func(tx *db.Tx) (err error) {
		n, err = db.Count(ctx, tx, `SELECT count(*) FROM (SELECT leaf_id FROM audit_pending LIMIT 1) AS p`)
		return err
	})
	if err != nil {
		return err
	}
	if n > 0 {
		if _, err := l.Seal(ctx); err != nil {
			return err
		}
		*moved = true
	}
	if !sign || !*moved {
		return nil
	}
	if _, err := l.Checkpoint(ctx); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	*moved = false
	return nil
}
