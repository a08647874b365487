package jobs

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// TestMain runs a worker process instead of the tests when the environment
// names a database: TestManyProcessesEachJobOnce starts this binary again.
func TestMain(m *testing.M) {
	if target := os.Getenv("JOBS_CHILD"); target != "" {
		if err := worker(target); err != nil {
			slog.Error("worker", "error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// worker runs a queue until it is killed or its parent is gone.
func worker(target string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		cancel()
	}()
	d, err := db.Open(ctx, target)
	if err != nil {
		return err
	}
	q := quiet(d)
	q.Lease, q.Poll = time.Second, 100*time.Millisecond
	Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
		if err := addEffect(ctx, tx, a.N); err != nil {
			return err
		}
		time.Sleep(rand.N(8 * time.Millisecond)) // so that kills find effects without completion
		return nil
	})
	HandleOutside(q, "call", func(ctx context.Context, a note) error {
		time.Sleep(rand.N(8 * time.Millisecond))
		return d.Tx(ctx, func(tx *db.Tx) error { // the far side recognises a repetition
			_, err := tx.Exec(ctx, `INSERT INTO sent (n) VALUES ($1) ON CONFLICT DO NOTHING`, a.N)
			return err
		})
	})
	if _, err := os.Stdout.WriteString("ready\n"); err != nil {
		return err
	}
	return q.Run(ctx)
}

type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func spawn(t *testing.T, target string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "JOBS_CHILD="+target)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("worker did not start: %q %v", line, err)
	}
	return process{cmd, stdin}
}

func (p process) kill() {
	_ = p.cmd.Process.Kill() // SIGKILL: no chance to tidy up
	_ = p.cmd.Wait()         // "signal: killed" is what was asked for
	_ = p.stdin.Close()
}

func TestManyProcessesEachJobOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const inside, outside, processes = 300, 60, 3
		d.Now = time.Now
		effectTable(t, d)
		must(t, d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `CREATE TABLE sent (n BIGINT PRIMARY KEY)`)
			return err
		}))
		var running []process
		for range processes {
			running = append(running, spawn(t, d.Target()))
		}
		defer func() {
			for _, p := range running {
				p.kill()
			}
		}()
		q := quiet(d)
		for i := range inside / 10 {
			var list []Job
			for k := range 10 {
				list = append(list, Job{Kind: "note", Args: note{i*10 + k}, MaxAttempts: 1000})
			}
			for k := range outside * 10 / inside {
				list = append(list, Job{Kind: "call", Args: note{i*outside*10/inside + k}, MaxAttempts: 1000})
			}
			enqueue(t, d, q, list...)
		}
		kills := 0
		for counts(t, d) != (Counts{}) {
			time.Sleep(100*time.Millisecond + rand.N(150*time.Millisecond))
			i := rand.IntN(processes)
			running[i].kill()
			running[i] = spawn(t, d.Target())
			kills++
			if kills > 400 {
				t.Fatalf("never done: %+v", counts(t, d))
			}
		}
		want := make([]int, inside)
		for i := range want {
			want[i] = i
		}
		if got := effects(t, d); !slices.Equal(got, want) {
			t.Fatalf("after %d kills: %d effects of %d jobs: %v", kills, len(got), inside, got)
		}
		must(t, d.View(t.Context(), func(tx *db.Tx) error {
			n, err := db.Count(t.Context(), tx, `SELECT count(*) FROM sent`)
			if n != outside {
				t.Errorf("%d calls of %d", n, outside)
			}
			return err
		}))
		t.Logf("%d kills", kills)
	})
}
