// Check a receipt with the Go project's own code for signed notes and transparent logs, and nothing of ours.
//
//	go run . inclusion VKEY RECEIPT.tlog-proof ENTRY
//	go run . consistency VKEY OLD.checkpoint NEW.checkpoint PROOF    (PROOF: a base64 hash a line)
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 5 {
		log.Fatal("see the comment above")
	}
	switch vkey := os.Args[2]; os.Args[1] {
	case "inclusion":
		proof, checkpoint, _ := strings.Cut(read(os.Args[3]), "\n\n")
		lines := strings.Split(proof, "\n")[1:]
		if strings.HasPrefix(lines[0], "extra ") {
			lines = lines[1:]
		}
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
		check(err)
		size, root := open(vkey, checkpoint)
		entry := tlog.RecordHash([]byte(read(os.Args[4])))
		check(tlog.CheckRecord(hashes(lines[1:]), size, root, index, entry))
		fmt.Printf("event %d is in the log of %d\n", index+1, size)
	case "consistency":
		oldSize, oldRoot := open(vkey, read(os.Args[3]))
		newSize, newRoot := open(vkey, read(os.Args[4]))
		proof := hashes(strings.Split(strings.TrimSuffix(read(os.Args[5]), "\n"), "\n"))
		check(tlog.CheckTree(proof, newSize, newRoot, oldSize, oldRoot))
		fmt.Printf("the log of %d extends that of %d\n", newSize, oldSize)
	}
}

func open(vkey, checkpoint string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		log.Fatal("the head of another log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return size, root
}

func hashes(lines []string) (found []tlog.Hash) {
	for _, line := range lines {
		if line != "" {
			hash, err := tlog.ParseHash(line)
			check(err)
			found = append(found, hash)
		}
	}
	return found
}

func read(name string) string {
	content, err := os.ReadFile(name)
	check(err)
	return string(content)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
