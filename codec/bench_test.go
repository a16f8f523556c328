package codec

import (
	"testing"
	"time"
)

type job struct {
	ID    int64
	Name  string
	Score float64
	Tags  []string
}

func aJob() job {
	return job{ID: 123456, Name: "factorize", Score: 0.75, Tags: []string{"red", "blue"}}
}

// person is the struct of alecthomas/go_serialization_benchmarks.
type person struct {
	Name     string
	BirthDay time.Time
	Phone    string
	Siblings int
	Spouse   bool
	Money    float64
}

func aPerson() person {
	return person{"0123456789abcdef", time.Unix(1700000000, 5), "0123456789", 3, true, 0.5}
}

func benchmark[T any](b *testing.B, v T) {
	w := writer[T](b)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		var err error
		for b.Loop() {
			if buf, err = w.Append(buf[:0], &v, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(buf)), "B/value")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		buf := encode(b, v, nil)
		r := reader[T, T](b)
		var to T
		for b.Loop() {
			if _, err := r.Read(buf, &to, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInt64(b *testing.B)  { benchmark(b, int64(123456)) }
func BenchmarkString(b *testing.B) { benchmark(b, "factorize") }
func BenchmarkBytes(b *testing.B)  { benchmark(b, make([]byte, 100)) }
func BenchmarkJob(b *testing.B)    { benchmark(b, aJob()) }
func BenchmarkPerson(b *testing.B) { benchmark(b, aPerson()) }
func BenchmarkInts(b *testing.B)   { benchmark(b, make([]int64, 1000)) }
func BenchmarkMap(b *testing.B)    { benchmark(b, map[string]int{"a": 1, "b": 2, "c": 3}) }
func BenchmarkAnyInt(b *testing.B) { benchmark(b, any(12345)) }
func BenchmarkAnyMap(b *testing.B) { benchmark(b, any(map[string]any{"id": 1, "name": "x"})) }
