package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"strconv"
	"time"

	"elanus/milvus"

	"github.com/golang/protobuf/proto"
)

// Rows of a collection are points; the first number of each is its key.
func point(key int64, dim int) []float32 {
	made := make([]float32, dim)
	for place := range made {
		made[place] = float32((int(key)*7919+place*104729)%1000) / 1000
	}
	return made
}

func pairs(values map[string]string) []*milvus.KeyValuePair {
	var made []*milvus.KeyValuePair
	for key, value := range values {
		made = append(made, &milvus.KeyValuePair{Key: key, Value: value})
	}
	return made
}

func field(name string, kind milvus.DataType, values map[string]string) *milvus.FieldSchema {
	return &milvus.FieldSchema{Name: name, DataType: kind, TypeParams: pairs(values)}
}

func (c *Client) create(name string, dim int) {
	key := field("id", milvus.DataType_Int64, nil)
	key.IsPrimaryKey = true
	schema, err := proto.Marshal(&milvus.CollectionSchema{Name: name, Fields: []*milvus.FieldSchema{
		key,
		field("word", milvus.DataType_VarChar, map[string]string{"max_length": "64"}),
		field("vector", milvus.DataType_FloatVector, map[string]string{"dim": strconv.Itoa(dim)}),
	}})
	check(err)
	c.must("CreateCollection", &milvus.CreateCollectionRequest{
		CollectionName: name, Schema: schema, ShardsNum: 1, ConsistencyLevel: milvus.ConsistencyLevel_Bounded,
	}, &milvus.Status{})
	c.must("CreateIndex", &milvus.CreateIndexRequest{
		CollectionName: name, FieldName: "vector", IndexName: "",
		ExtraParams: pairs(map[string]string{"index_type": "HNSW", "metric_type": "L2", "params": `{"M":16,"efConstruction":64}`}),
	}, &milvus.Status{})
	c.wait("the index", func() bool {
		answer := &milvus.DescribeIndexResponse{}
		c.must("DescribeIndex", &milvus.DescribeIndexRequest{CollectionName: name, FieldName: "vector"}, answer)
		return answer.IndexDescriptions[0].State == milvus.IndexState_Finished
	})
	c.must("LoadCollection", &milvus.LoadCollectionRequest{CollectionName: name, ReplicaNumber: 1}, &milvus.Status{})
	c.wait("the load", func() bool {
		answer, state := &milvus.GetLoadingProgressResponse{}, &milvus.GetLoadStateResponse{}
		c.must("GetLoadingProgress", &milvus.GetLoadingProgressRequest{CollectionName: name}, answer)
		c.must("GetLoadState", &milvus.GetLoadStateRequest{CollectionName: name}, state)
		return answer.Progress == 100 && state.State == milvus.LoadState_LoadStateLoaded
	})
}

func (c *Client) wait(what string, isDone func() bool) {
	for end := time.Now().Add(60 * time.Second); !isDone(); time.Sleep(20 * time.Millisecond) {
		expect(time.Now().Before(end), "%s did not come", what)
	}
}

func (c *Client) describe(name string) *milvus.DescribeCollectionResponse {
	answer := &milvus.DescribeCollectionResponse{}
	c.must("DescribeCollection", &milvus.DescribeCollectionRequest{CollectionName: name}, answer)
	return answer
}

func rows(keys []int64, dim int) []*milvus.FieldData {
	words, numbers := []string{}, []float32{}
	for _, key := range keys {
		words = append(words, fmt.Sprintf("word %d", key%10))
		numbers = append(numbers, point(key, dim)...)
	}
	return []*milvus.FieldData{
		{Type: milvus.DataType_Int64, FieldName: "id", Field: &milvus.FieldData_Scalars{Scalars: &milvus.ScalarField{
			Data: &milvus.ScalarField_LongData{LongData: &milvus.LongArray{Data: keys}}}}},
		{Type: milvus.DataType_VarChar, FieldName: "word", Field: &milvus.FieldData_Scalars{Scalars: &milvus.ScalarField{
			Data: &milvus.ScalarField_StringData{StringData: &milvus.StringArray{Data: words}}}}},
		{Type: milvus.DataType_FloatVector, FieldName: "vector", Field: &milvus.FieldData_Vectors{Vectors: &milvus.VectorField{
			Dim: int64(dim), Data: &milvus.VectorField_FloatVector{FloatVector: &milvus.FloatArray{Data: numbers}}}}},
	}
}

func (c *Client) insert(name string, first, count int64, dim int) {
	keys := make([]int64, count)
	for place := range keys {
		keys[place] = first + int64(place)
	}
	answer := &milvus.MutationResult{}
	c.must("Insert", &milvus.InsertRequest{
		CollectionName: name, FieldsData: rows(keys, dim), NumRows: uint32(count),
		SchemaTimestamp: c.describe(name).UpdateTimestamp,
	}, answer)
	expect(answer.InsertCnt == count && len(answer.IDs.GetIntId().GetData()) == int(count), "stored %d", answer.InsertCnt)
}

func (c *Client) flush(name string) {
	answer := &milvus.FlushResponse{}
	c.must("Flush", &milvus.FlushRequest{CollectionNames: []string{name}}, answer)
	segments, moment := answer.CollSegIDs[name].GetData(), answer.CollFlushTs[name]
	c.wait("the flush", func() bool {
		state := &milvus.GetFlushStateResponse{}
		c.must("GetFlushState", &milvus.GetFlushStateRequest{
			SegmentIDs: segments, FlushTs: moment, CollectionName: name,
		}, state)
		return state.Flushed
	})
}

func (c *Client) search(name string, query []float32, limit int, more map[string]string) *milvus.SearchRequest {
	raw := make([]byte, 4*len(query))
	for place, value := range query {
		binary.LittleEndian.PutUint32(raw[4*place:], math.Float32bits(value))
	}
	group, err := proto.Marshal(&milvus.PlaceholderGroup{Placeholders: []*milvus.PlaceholderValue{
		{Tag: "$0", Type: milvus.PlaceholderType_FloatVector, Values: [][]byte{raw}},
	}})
	check(err)
	params := map[string]string{
		"anns_field": "vector", "topk": strconv.Itoa(limit), "offset": "0", "metric_type": "",
		"round_decimal": "-1", "ignore_growing": "false", "params": "{}",
	}
	for key, value := range more {
		params[key] = value
	}
	return &milvus.SearchRequest{
		CollectionName: name, DslType: milvus.DslType_BoolExprV1, Nq: 1, SearchParams: pairs(params),
		SearchInput:           &milvus.SearchRequest_PlaceholderGroup{PlaceholderGroup: group},
		OutputFields:          []string{"word"},
		ConsistencyLevel:      milvus.ConsistencyLevel_Bounded,
		UseDefaultConsistency: true,
	}
}

// nearest compares with every point.
func nearest(query []float32, keys int64, limit int) []int64 {
	distances, found := map[int64]float64{}, []int64{}
	for key := int64(0); key < keys; key++ {
		sum := 0.0
		for place, value := range point(key, len(query)) {
			difference := float64(value - query[place])
			sum += difference * difference
		}
		distances[key] = sum
		found = append(found, key)
	}
	sort.SliceStable(found, func(i, j int) bool { return distances[found[i]] < distances[found[j]] })
	return found[:limit]
}

func same(got, wanted []int64) bool { return fmt.Sprint(got) == fmt.Sprint(wanted) }
