# ruff: noqa: RUF001 - letters of other scripts are the subject here

import pytest

from elanus.analysis.languages import LANGUAGES, detect_language, language_of_name
from elanus.analysis.registry import build_analyzer
from elanus.errors import SchemaError

SENTENCES = {
    "arabic": "الكتاب على الطاولة في الغرفة",
    "armenian": "Գիրքը սեղանի վրա է",
    "bengali": "বইটি টেবিলের উপর আছে",
    "chinese": "书在房间的桌子上。",
    "danish": "Bogen ligger på bordet, men jeg har af gode grunde ikke nået at læse den.",
    "dutch": "Het boek ligt op de tafel en ik heb het nog niet gelezen.",
    "english": "The book is on the table and I have not read it yet.",
    "finnish": "Kirja on pöydällä, enkä ole vielä lukenut sitä.",
    "french": "Le livre est sur la table et je ne l'ai pas encore lu.",
    "georgian": "წიგნი მაგიდაზეა",
    "german": "Das Buch liegt auf dem Tisch, und ich habe es noch nicht gelesen.",
    "greek": "Το βιβλίο είναι πάνω στο τραπέζι.",
    "hebrew": "הספר על השולחן",
    "hindi": "किताब मेज़ पर है",
    "hungarian": "A könyv az asztalon van, és még nem olvastam el.",
    "italian": "Il libro è sul tavolo e non l'ho ancora letto.",
    "japanese": "本は部屋の机の上にあります。",
    "khmer": "សៀវភៅនៅលើតុ",
    "korean": "책은 책상 위에 있습니다.",
    "norwegian": "Boka ligger på bordet, og jeg har ikke lest den ennå.",
    "persian": "کتاب روی میز است و من آن را نخوانده‌ام",
    "portuguese": "O livro está sobre a mesa e eu ainda não o li.",
    "romanian": "Cartea este pe masă și nu am citit-o încă.",
    "russian": "Книга лежит на столе, и я её ещё не читал.",
    "spanish": "El libro está sobre la mesa y todavía no lo he leído.",
    "swedish": "Boken ligger på bordet och jag har inte läst den än.",
    "tamil": "புத்தகம் மேசையின் மேல் உள்ளது",
    "thai": "หนังสืออยู่บนโต๊ะ",
    "turkish": "Kitap masanın üstünde ve onu henüz okumadım.",
    "ukrainian": "Книга лежить на столі, і я її ще не читав.",
}


def test_a_sentence_of_each_language_is_told():
    told = {name: detect_language(text).language for name, text in SENTENCES.items()}
    assert told == {name: name for name in LANGUAGES}


@pytest.mark.parametrize("text", ["", "12 + 30", "… !? 😀"])
def test_nothing_tells(text):
    assert detect_language(text) == (None, 0.0)


def test_words_of_another_script_do_not_decide():
    assert detect_language("Milvus 是一个开源的向量数据库 (vector database)").language == "chinese"
    assert detect_language("The word 日本 is the name of the country in Japanese").language == (
        "english"
    )


@pytest.mark.parametrize("name", ["English", "en", "ENG", "english"])
def test_languages_have_names_and_codes(name):
    assert language_of_name(name) == "english"
    assert language_of_name("cmn") == language_of_name("Mandarin") == "chinese"
    assert language_of_name("klingon") is None


def identifier(**settings):
    german = {"tokenizer": "standard", "filter": ["lowercase", {"type": "stemmer",
              "language": "german"}]}  # fmt: skip
    analyzers = {"default": {"tokenizer": "whitespace"}, "english": "english", "de": german}
    spec = {"type": "language_identifier", "analyzers": analyzers, **settings}
    return build_analyzer({"tokenizer": spec, "filter": []})


def test_each_text_goes_to_the_analyzer_of_its_language():
    analyzer = identifier()
    assert analyzer.tokens("The books were not read") == ["book", "were", "read"]
    assert analyzer.tokens("Die Häuser waren nicht groß")[:2] == ["die", "haus"]
    # No analyzer of French: the default, which changes nothing.
    assert analyzer.tokens("Les Maisons étaient grandes") == [
        "Les", "Maisons", "étaient", "grandes"
    ]  # fmt: skip
    assert [t.token for t in analyzer.details("The books were")] == ["book", "were"]


def test_languages_may_share_an_analyzer():
    analyzer = identifier(mapping={"French": "english"})
    assert analyzer.tokens("Les Maisons étaient grandes") == ["les", "maison", "étaient", "grand"]


def test_unsure_guesses_are_of_no_language():
    unsure = identifier(identifier={"type": "whatlang", "confidence": 1.0})
    assert unsure.tokens("The books") == ["The", "books"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"analyzers": {"english": "english"}}, "expected one named 'default'"),
        ({"analyzers": []}, "analyzers: expected a dict of names, got []"),
        ({"mapping": {"french": "fr"}}, "mapping: unknown name 'fr'"),
        ({"mapping": {"klingon": "english"}}, "mapping: unknown language 'klingon'"),
        ({"identifier": "lingua"}, "'lingua' is not part of elanus"),
        ({"identifier": {"type": "whatlang", "confidence": 2}}, "a number from 0 to 1, got 2"),
        ({"analyzers": {"default": {"tokenizer": "language_identifier"}}}, "identifies languages"),
    ],
)
def test_errors(settings, message):
    with pytest.raises(SchemaError) as caught:
        identifier(**settings)
    assert message in str(caught.value)


def test_parameters_come_back():
    spec = identifier(mapping={"fr": "english"}).to_params()
    assert build_analyzer(spec).to_params() == spec
    assert build_analyzer(spec).tokens("Les Maisons")[0] == "les"
