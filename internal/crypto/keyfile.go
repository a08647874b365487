package crypto

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yilian/internal/errs"
)

// format names the layout of the key file.
const format = "yilian-keys-1"

// keyfile is what stands in the file: numbered key sets, one of them active.
type keyfile struct {
	Format string   `json:"format"`
	Active int      `json:"active"`
	Keys   []stored `json:"keys"`
}

// stored is one key set; bytes are base64 in JSON.
type stored struct {
	Number  int       `json:"number"`
	Suite   Suite     `json:"suite"`
	Created time.Time `json:"created"`
	Data    []byte    `json:"data"`  // encrypts
	Index   []byte    `json:"index"` // keys the look-up hashes
	Sign    []byte    `json:"sign"`  // signs; PKCS#8
}

// key is a stored key set made ready for use.
type key struct {
	number   int
	alg      *algorithms
	aead     cipher.AEAD
	indexKey []byte
	signKey  any
}

// label is the head of every value made with the key.
func (key *key) label(algorithm string) string {
	return algorithm + "." + strconv.Itoa(key.number) + "."
}

// keyset is the immutable content of a keyring between two rotations.
type keyset struct {
	file   keyfile
	keys   []*key
	active *key
}

// Create makes a new key file with one key set, readable by its owner only. A
// file that exists is never overwritten.
func Create(path string, suite Suite) (*Keyring, error) {
	set, err := newKeyset(suite)
	if err != nil {
		return nil, err
	}
	if err := writeNew(path, set.file); err != nil {
		return nil, err
	}
	k := &Keyring{path: path}
	k.set.Store(set)
	return k, nil
}

// Ephemeral makes a keyring that lives in memory only, for tests.
func Ephemeral(suite Suite) *Keyring {
	set, err := newKeyset(suite)
	if err != nil {
		panic(err) // no randomness, or a suite that does not exist
	}
	k := &Keyring{}
	k.set.Store(set)
	return k
}

// Load reads a key file. Permissions wider than the owner's are logged as a
// warning, not refused: some file systems know none.
func Load(path string) (*Keyring, error) {
	set, err := read(path)
	if err != nil {
		return nil, err
	}
	k := &Keyring{path: path}
	k.set.Store(set)
	return k, nil
}

// Rotate adds a new key set of the same suite, makes it active and keeps the
// old ones. Other processes find the new keys when they meet the first value
// made with them.
func (k *Keyring) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path == "" {
		set, err := k.set.Load().rotated()
		if err != nil {
			return err
		}
		k.set.Store(set)
		return nil
	}
	temp, err := begin(k.path)
	if err != nil {
		return err
	}
	defer temp.discard()
	set, err := read(k.path) // another process may have rotated before
	if err != nil {
		return err
	}
	if set, err = set.rotated(); err != nil {
		return err
	}
	if err := temp.write(set.file); err != nil {
		return err
	}
	if err := temp.replace(k.path); err != nil {
		return err
	}
	k.set.Store(set)
	return nil
}

// find returns the key with the number; when it is unknown the file is read
// once more, because another process may have rotated.
func (k *Keyring) find(number int) (*key, error) {
	if key := k.set.Load().byNumber(number); key != nil {
		return key, nil
	}
	if k.path != "" && number > k.set.Load().active.number {
		k.mu.Lock()
		defer k.mu.Unlock()
		set, err := read(k.path)
		if err != nil {
			return nil, err
		}
		k.set.Store(set)
		if key := set.byNumber(number); key != nil {
			return key, nil
		}
	}
	return nil, errs.E(errs.Unavailable, "数据是用第 %d 号密钥加密或签名的，密钥文件中没有这把密钥。请系统管理员换回与数据库相配的密钥文件", number)
}

func (s *keyset) byNumber(number int) *key {
	for _, key := range s.keys {
		if key.number == number {
			return key
		}
	}
	return nil
}

func newKeyset(suite Suite) (*keyset, error) {
	first, err := generate(1, suite)
	if err != nil {
		return nil, err
	}
	return prepare(keyfile{Format: format, Active: 1, Keys: []stored{first}})
}

func (s *keyset) rotated() (*keyset, error) {
	next := s.active.number
	var suite Suite
	for _, old := range s.file.Keys {
		next = max(next, old.Number)
		if old.Number == s.active.number {
			suite = old.Suite
		}
	}
	added, err := generate(next+1, suite)
	if err != nil {
		return nil, err
	}
	file := s.file
	file.Active = added.Number
	file.Keys = append(append([]stored{}, s.file.Keys...), added)
	return prepare(file)
}

func generate(number int, suite Suite) (stored, error) {
	alg := suites[suite]
	if alg == nil {
		return stored{}, errs.E(errs.Invalid, "不认识的密码算法套件“%s”：请填写 sm（国密）或 intl（国际）", suite)
	}
	s := stored{
		Number: number, Suite: suite, Created: time.Now().UTC().Truncate(time.Second),
		Data: make([]byte, alg.keySize), Index: make([]byte, 32),
	}
	if _, err := rand.Read(s.Data); err != nil {
		return stored{}, fmt.Errorf("generate key: %w", err)
	}
	if _, err := rand.Read(s.Index); err != nil {
		return stored{}, fmt.Errorf("generate key: %w", err)
	}
	private, err := alg.newSigner()
	if err != nil {
		return stored{}, fmt.Errorf("generate key: %w", err)
	}
	if s.Sign, err = smx509.MarshalPKCS8PrivateKey(private); err != nil {
		return stored{}, fmt.Errorf("generate key: %w", err)
	}
	return s, nil
}

// prepare checks a key file and makes its keys ready.
func prepare(file keyfile) (*keyset, error) {
	if file.Format != format {
		return nil, fmt.Errorf("format %q, want %q", file.Format, format)
	}
	set := &keyset{file: file}
	for _, s := range file.Keys {
		if s.Number < 1 || set.byNumber(s.Number) != nil {
			return nil, fmt.Errorf("key number %d is not positive or appears twice", s.Number)
		}
		key, err := s.prepare()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", s.Number, err)
		}
		set.keys = append(set.keys, key)
		if s.Number == file.Active {
			set.active = key
		}
	}
	if set.active == nil {
		return nil, fmt.Errorf("active key %d is not in the file", file.Active)
	}
	return set, nil
}

func (s stored) prepare() (*key, error) {
	alg := suites[s.Suite]
	if alg == nil {
		return nil, fmt.Errorf("unknown suite %q", s.Suite)
	}
	if len(s.Index) < 32 {
		return nil, fmt.Errorf("index key of %d bytes, want 32", len(s.Index))
	}
	aead, err := alg.newAEAD(s.Data)
	if err != nil {
		return nil, err
	}
	private, err := smx509.ParsePKCS8PrivateKey(s.Sign)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	if !alg.isSigner(private) {
		return nil, fmt.Errorf("signing key is a %T, not one of suite %q", private, s.Suite)
	}
	return &key{number: s.Number, alg: alg, aead: aead, indexKey: s.Index, signKey: private}, nil
}

// read loads a file; what is wrong is said to the administrator, who starts
// the program.
func read(path string) (*keyset, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.Because(err, errs.Unavailable, "找不到密钥文件 %s。请把备份的密钥文件放回原处；只有全新安装才可以新建", path)
	}
	if err != nil {
		return nil, errs.Because(err, errs.Unavailable, "无法读取密钥文件 %s。请检查文件和目录的权限", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, errs.Because(err, errs.Unavailable, "无法读取密钥文件 %s。请检查文件的权限和所有者", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		slog.Warn("密钥文件的权限过宽，其他用户可能读到密钥，请改为 0600", "file", path, "mode", fmt.Sprintf("%04o", mode))
	}
	var file keyfile
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err = dec.Decode(&file)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("text after the end of the object")
		}
	}
	var set *keyset
	if err == nil {
		set, err = prepare(file)
	}
	if err != nil {
		return nil, errs.Because(err, errs.Unavailable, "密钥文件 %s 的内容已损坏或不完整。请换回备份的密钥文件", path)
	}
	return set, nil
}

// draft is the new content of a key file before it takes the old one's place.
type draft struct {
	f      *os.File
	name   string
	placed bool
}

// begin opens the draft beside path. The fixed name makes it a lock as well:
// two rotations at once cannot both add the same number.
func begin(path string) (*draft, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, errs.Because(err, errs.Unavailable, "无法建立密钥文件所在的目录 %s。请检查目录的权限", filepath.Dir(path))
	}
	name := path + ".new"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errs.Because(err, errs.Conflict, "另一个程序正在写密钥文件，或上一次没有写完。请确认没有其他程序在运行，删除 %s 后重试", name)
	}
	if err != nil {
		return nil, errs.Because(err, errs.Unavailable, "无法写密钥文件 %s。请检查目录的权限和磁盘空间", path)
	}
	return &draft{f: f, name: name}, nil
}

func (t *draft) write(file keyfile) error {
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	_, err = t.f.Write(append(text, '\n'))
	if err = errors.Join(err, t.f.Sync(), t.f.Close()); err != nil {
		return errs.Because(err, errs.Unavailable, "密钥文件没有写成，原有内容未变。请检查磁盘空间后重试")
	}
	return nil
}

// replace puts the draft in the place of the old file.
func (t *draft) replace(path string) error {
	if err := os.Rename(t.name, path); err != nil {
		return errs.Because(err, errs.Unavailable, "密钥文件 %s 没有换成，原有内容未变。请检查目录的权限", path)
	}
	t.placed = true // from here the name may be the draft of another process
	return syncDir(path)
}

// discard removes the draft unless it has been put in place.
func (t *draft) discard() {
	_ = t.f.Close() // closed already when it was written
	if !t.placed {
		_ = os.Remove(t.name) // what stays is named by the next begin
	}
}

// writeNew writes a first file. A hard link, unlike a rename, refuses a name
// that exists.
func writeNew(path string, file keyfile) error {
	temp, err := begin(path)
	if err != nil {
		return err
	}
	defer temp.discard()
	if err := temp.write(file); err != nil {
		return err
	}
	if err := os.Link(temp.name, path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return errs.Because(err, errs.Conflict, "密钥文件 %s 已经存在，不会覆盖。覆盖后原有数据将无法还原", path)
		}
		return errs.Because(err, errs.Unavailable, "无法写密钥文件 %s。请检查目录的权限，并放在支持硬链接的磁盘上", path)
	}
	return syncDir(path)
}

// syncDir makes the new name in the directory of path durable.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync key file: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("sync key file: %w", err)
	}
	return nil
}
