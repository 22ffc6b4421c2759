// Checks killick logs with Go's own libraries for the checksum database, golang.org/x/mod/sumdb/note and tlog: the notes,
// the hashes and the tiles are theirs, the paths of C2SP tlog-tiles and cosignatures are ours.
//
// Reads one JSON object a line, {"folder", "trust", "require_witnesses"} or {"proof", "entry", "trust",
// "require_witnesses"}, and prints {"verified", "error"} for each.
//
// Built without modules, against Debian's golang-golang-x-mod-dev: GO111MODULE=off GOPATH=/usr/share/gocode go build.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

type request struct {
	Folder  string `json:"folder"`
	Proof   string `json:"proof"`
	Entry   string `json:"entry"`
	Trust   trust  `json:"trust"`
	Require int    `json:"require_witnesses"`
}

type trust struct {
	Origin     string            `json:"origin"`
	LogVkey    string            `json:"log_vkey"`
	Witnesses  []json.RawMessage `json:"witnesses"`
	Checkpoint string            `json:"checkpoint"`
}

type answer struct {
	Verified bool   `json:"verified"`
	Error    string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var r request
		err := json.Unmarshal(lines.Bytes(), &r)
		if err == nil && r.Proof != "" {
			err = r.verifyProof()
		} else if err == nil {
			err = r.verifyFolder()
		}
		a := answer{Verified: err == nil}
		if err != nil {
			a.Error = err.Error()
		}
		if out.Encode(a) != nil {
			os.Exit(1)
		}
	}
	if lines.Err() != nil {
		fmt.Fprintln(os.Stderr, lines.Err())
		os.Exit(1)
	}
}

// cosigner verifies cosignature/v1 (C2SP tlog-cosignature) for one witness.
type cosigner struct {
	name     string
	hash     uint32
	key      ed25519.PublicKey
	operator string
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(sig)
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, msg)
	return time < 1<<63 && ed25519.Verify(c.key, []byte(signed), sig[8:])
}

func parseWitness(raw json.RawMessage) (*cosigner, error) {
	var member struct{ Vkey, Operator string }
	if json.Unmarshal(raw, &member.Vkey) != nil {
		if err := json.Unmarshal(raw, &member); err != nil {
			return nil, err
		}
	}
	parts := strings.SplitN(member.Vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("a witness's key is malformed")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 0x04 {
		return nil, errors.New("a witness's key is malformed")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	id, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || uint32(id) != binary.BigEndian.Uint32(sum[:4]) {
		return nil, errors.New("a witness's key ID is wrong")
	}
	if member.Operator == "" {
		member.Operator = strings.SplitN(parts[0], "/", 2)[0]
	}
	return &cosigner{parts[0], uint32(id), ed25519.PublicKey(key[1:]), member.Operator}, nil
}

// open verifies a checkpoint and counts the operators that have cosigned it.
func (r *request) open(msg []byte) (tlog.Tree, error) {
	var tree tlog.Tree
	log, err := note.NewVerifier(r.Trust.LogVkey)
	if err != nil {
		return tree, err
	}
	known := []note.Verifier{log}
	operators := map[string]string{}
	for _, raw := range r.Trust.Witnesses {
		witness, err := parseWitness(raw)
		if err != nil {
			return tree, err
		}
		known = append(known, witness)
		operators[witness.name] = witness.operator
	}
	n, err := note.Open(msg, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	signed, cosigned := false, map[string]bool{}
	for _, sig := range n.Sigs {
		if sig.Name == log.Name() && sig.Hash == log.KeyHash() {
			signed = true
		} else if operator := operators[sig.Name]; operator != strings.SplitN(r.Trust.Origin, "/", 2)[0] {
			cosigned[operator] = true
		}
	}
	if !signed {
		return tree, errors.New("the log has not signed the checkpoint")
	}
	if len(cosigned) < r.Require {
		return tree, fmt.Errorf("%d operators have cosigned, %d are required", len(cosigned), r.Require)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != r.Trust.Origin {
		return tree, errors.New("the checkpoint is of another log")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil || lines[1] != strconv.FormatInt(tree.N, 10) || tree.N < 0 {
		return tree, errors.New("the size is not a number")
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// stored holds the hashes that entries add up to, in the order of tlog.StoredHashIndex.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, errors.New("the tree does not reach that far")
		}
		found[i] = s[index]
	}
	return found, nil
}

func treeHash(n int64, reader tlog.HashReader) (tlog.Hash, error) {
	if n == 0 {
		return sha256.Sum256(nil), nil
	}
	return tlog.TreeHash(n, reader)
}

// read returns a file, or the full tile's where the partial one has been dropped (tlog-tiles, partial tiles).
func (r *request) read(path string) (data []byte, full bool, err error) {
	data, err = os.ReadFile(filepath.Join(r.Folder, path))
	if i := strings.Index(path, ".p/"); i >= 0 && errors.Is(err, os.ErrNotExist) {
		data, err = os.ReadFile(filepath.Join(r.Folder, path[:i]))
		return data, true, err
	}
	return data, false, err
}

// verifyFolder computes everything from the entries and compares it with the tiles and the checkpoint. It does not use
// tlog.TileHashReader: before x/mod v0.40.0, and so in Debian 12, that leaves tiles unauthenticated (CVE-2026-56865).
func (r *request) verifyFolder() error {
	msg, err := os.ReadFile(filepath.Join(r.Folder, "checkpoint"))
	if err != nil {
		return err
	}
	head, err := r.open(msg)
	if err != nil {
		return err
	}
	var hashes stored
	for first := int64(0); first < head.N; first += tileWidth {
		width := head.N - first
		if width > tileWidth {
			width = tileWidth
		}
		tile := tlog.Tile{H: tileHeight, L: 0, N: first / tileWidth, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		data, full, err := r.read(path)
		if err != nil {
			return err
		}
		for i := first; i < first+width; i++ {
			if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
				return fmt.Errorf("%s is cut off", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			more, err := tlog.StoredHashes(i, data[2:end], hashes)
			if err != nil {
				return err
			}
			hashes, data = append(hashes, more...), data[end:]
		}
		if len(data) > 0 && !full {
			return fmt.Errorf("%s is too long", path)
		}
	}
	if root, err := treeHash(head.N, hashes); err != nil || root != head.Hash {
		return fmt.Errorf("the entries add up to another root: %v", err)
	}
	for level := 0; head.N>>(tileHeight*level) > 0; level++ {
		for rest, n := head.N>>(tileHeight*level), int64(0); rest > 0; rest, n = rest-tileWidth, n+1 {
			tile := tlog.Tile{H: tileHeight, L: level, N: n, W: tileWidth}
			if rest < tileWidth {
				tile.W = int(rest)
			}
			expected, err := tlog.ReadTileData(tile, hashes)
			if err != nil {
				return err
			}
			path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
			data, full, err := r.read(path)
			if err != nil {
				return err
			}
			if full && len(data) == tileWidth*tlog.HashSize {
				data = data[:len(expected)]
			}
			if !bytes.Equal(data, expected) {
				return fmt.Errorf("%s is another one than the entries make", path)
			}
		}
	}
	if r.Trust.Checkpoint != "" {
		before := request{Trust: r.Trust}
		seen, err := before.open([]byte(r.Trust.Checkpoint))
		if err != nil {
			return err
		}
		if seen.N > head.N {
			return errors.New("the log is shorter than it has been")
		}
		if was, err := treeHash(seen.N, hashes); err != nil || was != seen.Hash {
			return fmt.Errorf("the log does not extend the checkpoint seen before: %v", err)
		}
	}
	return nil
}

// verifyProof checks a C2SP tlog-proof.
func (r *request) verifyProof() error {
	text, err := os.ReadFile(r.Proof)
	if err != nil {
		return err
	}
	at := bytes.Index(text, []byte("\n\n"))
	if at < 0 {
		return errors.New("the proof has no checkpoint")
	}
	lines := strings.Split(string(text[:at]), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	lines = lines[1:]
	var leaf tlog.Hash
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if r.Entry == "" {
			if leaf, err = tlog.ParseHash(lines[0][len("extra "):]); err != nil {
				return err
			}
		}
		lines = lines[1:]
	}
	if r.Entry != "" {
		entry, err := os.ReadFile(r.Entry)
		if err != nil {
			return err
		}
		leaf = tlog.RecordHash(entry)
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("the proof has no index")
	}
	index, err := strconv.ParseInt(lines[0][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	head, err := r.open(text[at+2:])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, head.N, head.Hash, index, leaf)
}
