package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// verifyBatch is how many links Verify reads at once; each batch is its own
// short transaction, because links below the head never change.
const verifyBatch = 1000

// broken is what Verify found; it ends the walk.
type broken struct{ leaf, reason string }

func (b *broken) Error() string { return b.leaf + ": " + b.reason }

func brokenAt(leaf string, seq int64, format string, args ...any) error {
	if leaf == "" {
		leaf = "#" + strconv.FormatInt(seq, 10)
	}
	return &broken{leaf, fmt.Sprintf(format, args...)}
}

// Verify walks the whole chain and names the first broken leaf. An error means
// that it could not be walked; a broken chain is a Report.
func (l *Log) Verify(ctx context.Context) (Report, error) {
	var r Report
	var end head
	err := l.d.View(ctx, func(tx *db.Tx) (err error) {
		end, err = readHead(ctx, tx)
		return err
	})
	r.Sealed = end.seq
	at := head{}
	for err == nil && at.seq < end.seq {
		err = l.d.View(ctx, func(tx *db.Tx) error { return l.verifySome(ctx, tx, &at, end, &r) })
	}
	if err == nil && at.chain != end.chain {
		err = brokenAt("", end.seq, "审计链头与最后一条链接不符：链头被改动过")
	}
	rest := l.d.View(ctx, func(tx *db.Tx) (err error) {
		if r.Unsealed, err = db.Count(ctx, tx, `SELECT count(*) FROM audit_pending`); err != nil {
			return err
		}
		return verifyEnds(ctx, tx)
	})
	if err == nil {
		err = rest
	}
	if b, ok := errors.AsType[*broken](err); ok {
		r.Broken, r.Reason = b.leaf, b.reason
		return r, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("verify audit log: %w", err)
	}
	return r, nil
}

// verifySome checks one batch of links after at, their leaves and the
// checkpoints among them, and moves at.
func (l *Log) verifySome(ctx context.Context, tx *db.Tx, at *head, end head, r *Report) error {
	links, err := db.List(ctx, tx, readLink, `SELECT seq, leaf_id, leaf_hash, chain_hash FROM audit_link
		WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`, at.seq, end.seq, verifyBatch)
	if err != nil {
		return err
	}
	if len(links) == 0 {
		return missingLink(ctx, tx, at.seq+1)
	}
	leaves, err := leavesOf(ctx, tx, links)
	if err != nil {
		return err
	}
	points, err := db.List(ctx, tx, readCheckpoint, `SELECT seq, chain_hash, at, signature FROM audit_checkpoint
		WHERE seq > $1 AND seq <= $2 ORDER BY seq`, at.seq, links[len(links)-1].seq)
	if err != nil {
		return err
	}
	for _, k := range links {
		if k.seq != at.seq+1 {
			return missingLink(ctx, tx, at.seq+1)
		}
		leaf, have := leaves[k.leafID]
		if !have {
			return brokenAt(k.leafID, k.seq, "第 %d 号审计记录已被删除", k.seq)
		}
		if err := l.verifyLink(k, leaf, at.chain); err != nil {
			return err
		}
		*at = head{k.seq, k.chained}
		if len(points) > 0 && points[0].Seq == k.seq {
			if err := l.verifyPoint(points[0], k); err != nil {
				return err
			}
			points = points[1:]
			r.Checkpoints++
		}
	}
	return nil
}

func (l *Log) verifyLink(k link, leaf row, previous string) error {
	if same, err := l.matches(k.leafHash, leaf.parts()); err != nil || !same {
		return brokenAt(k.leafID, k.seq, "第 %d 号审计记录的内容被改动过", k.seq)
	}
	if same, err := l.matches(k.chained, chainParts(previous, k.seq, k.leafHash)); err != nil || !same {
		return brokenAt(k.leafID, k.seq, "第 %d 号链接与前一条不相接：链接被改动、调换或重算过", k.seq)
	}
	return nil
}

// matches recomputes a digest in the algorithm it was made with.
func (l *Log) matches(digest string, parts [][]byte) (bool, error) {
	algorithm, _, _ := strings.Cut(digest, ".")
	again, err := l.keys.DigestAs(algorithm, parts...)
	return again == digest, err
}

func (l *Log) verifyPoint(c Checkpoint, k link) error {
	err := l.keys.Verify(c.signed(), c.Signature)
	if errs.Is(err, errs.Unavailable) {
		return err // the key is not here: not checked is not broken
	}
	if err != nil {
		return brokenAt(k.leafID, k.seq, "第 %d 号检查点的签名不成立：%s", k.seq, err)
	}
	if c.ChainHash != k.chained {
		return brokenAt(k.leafID, k.seq, "第 %d 号检查点与审计链不符：此前的记录被整体改写过", k.seq)
	}
	return nil
}

func leavesOf(ctx context.Context, tx *db.Tx, links []link) (map[string]row, error) {
	ids := make([]string, len(links))
	for i, k := range links {
		ids[i] = k.leafID
	}
	query, args := db.Expand(`SELECT id, at, account, person, name, role, org, org_name, self, action, object, object_id, patient, outcome, more
		FROM audit_leaf WHERE id IN ($list)`, nil, ids)
	rows, err := db.List(ctx, tx, readRow, query, args...)
	if err != nil {
		return nil, err
	}
	out := make(map[string]row, len(rows))
	for _, r := range rows {
		out[r.id] = r
	}
	return out, nil
}

// missingLink names the leaf that has lost its link, when it is still there.
func missingLink(ctx context.Context, tx *db.Tx, seq int64) error {
	orphan, err := firstOrphan(ctx, tx)
	if err != nil {
		return err
	}
	return brokenAt(orphan, seq, "第 %d 号链接缺失：审计链中间被删除过", seq)
}

// firstOrphan returns the first leaf that is neither sealed nor waiting.
func firstOrphan(ctx context.Context, tx *db.Tx) (string, error) {
	return db.Get(ctx, tx, "审计记录", db.Value[string], `SELECT coalesce(min(id), '') FROM audit_leaf l
		WHERE NOT EXISTS (SELECT 1 FROM audit_link k WHERE k.leaf_id = l.id)
		AND NOT EXISTS (SELECT 1 FROM audit_pending p WHERE p.leaf_id = l.id)`)
}

// verifyEnds checks what stands outside the chain: nothing may lie beyond the
// head, and every leaf is sealed or waits.
func verifyEnds(ctx context.Context, tx *db.Tx) error {
	end, err := readHead(ctx, tx)
	if err != nil {
		return err
	}
	cut, err := db.Count(ctx, tx, `SELECT coalesce(min(seq), 0) FROM audit_checkpoint WHERE seq > $1`, end.seq)
	if err != nil {
		return err
	}
	beyond, err := db.Get(ctx, tx, "审计记录", db.Value[string], `SELECT coalesce(min(leaf_id), '') FROM audit_link
		WHERE seq = (SELECT min(seq) FROM audit_link WHERE seq > $1)`, end.seq)
	if err != nil {
		return err
	}
	orphan, err := firstOrphan(ctx, tx)
	if err != nil {
		return err
	}
	lost, err := db.Get(ctx, tx, "审计记录", db.Value[string], `SELECT coalesce(min(leaf_id), '') FROM audit_pending p
		WHERE NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.id = p.leaf_id)`)
	switch {
	case err != nil:
		return err
	case cut > 0:
		return brokenAt(beyond, end.seq+1, "已签署第 %d 号检查点，而审计链到第 %d 号为止：链尾被截断或链头被改动过", cut, end.seq)
	case beyond != "":
		return brokenAt(beyond, end.seq+1, "审计链头在第 %d 号，其后还有链接：链头被改动过", end.seq)
	case orphan != "":
		return brokenAt(orphan, 0, "审计记录既不在链中，也不在待封存之列：它的链接被删除过，或记录是绕过程序写入的")
	case lost != "":
		return brokenAt(lost, 0, "待封存的审计记录已被删除")
	}
	return nil
}
