"""Which words say little about a text?

The lists that ``stop_words`` names: ``_danish_`` and so on. The words are in lower case and in the
normal form NFKC, as ``lowercase`` behind the ``standard`` tokenizer leaves them; the Thai ones also
as other tokenizers do.

Source: Danish, Dutch, Finnish, French, German, Hungarian, Italian, Norwegian, Portuguese, Russian,
Spanish, Swedish: the Snowball project, https://snowballstem.org, copyright 2001, Dr Martin Porter,
2002, Richard Boulton, under the 3-clause BSD licence. Chinese and Romanian: python-stop-words,
copyright 2014, Alireza Savand, under the 3-clause BSD licence; Romanian with the spellings that
have diacritics. Thai and Turkish: stopwords-iso, copyright 2020, Gene Diaz, under the MIT licence,
and the Snowball lists of PostgreSQL. Redistribution in source and binary forms is permitted under
these licences provided that the copyright notices stay; the lists come without any warranty.
Arabic, Greek and Tamil were put together for this file.
"""

from __future__ import annotations

from functools import cache

ENGLISH_STOP_WORDS = frozenset(
    """
    a an and are as at be but by for if in into is it no not of on or such that the their then
    there these they this to was will with
    """.split()  # noqa: SIM905 - one line per word would say no more
)
"""The 33 words of Lucene's ``EnglishAnalyzer.ENGLISH_STOP_WORDS_SET``."""

# ruff: noqa: RUF001 - letters of other scripts are the subject here
_LISTS = {
    "arabic": """
        أ ألا أما أن أنت أنه أنها أو أى أي أيضا إذا إلا إلى إلي إما إن إنه إنها ا اذا الآن الا
        الان التى التي الذى الذي الذين الى الي اما ان انت انه انها او اى اي ايضا ب بأن بان بعد بعض
        به بها بين بينما تكون تلك ثم جميع حتى حيث خلال ذلك ضمن على عليه عليها عن عند عندما غير ف
        فأن فان فما فهو فهى فهي في فيه فيها قبل قد كان كانت كل كما لا لدى لك لكن لم لن له لها ما
        مع من منذ منه منها نحو هذا هذه هناك هو هى هي و وأن وإن وان وفي وكان وكانت وكل ولا ولم ولن
        وما ومن وهو وهى وهي يكون
    """,
    "chinese": """
        一 上 下 不 与 且 个 为 乃 么 之 也 了 于 些 亦 人 今 仍 从 他 以 们
        但 何 你 使 儿 其 再 几 凡 凭 则 别 到 即 却 去 又 及 另 只 可 各 同
        后 向 吧 和 咱 哇 哟 哪 啥 啦 嗡 嘛 因 在 她 好 如 它 小 尔 已 并 当
        往 很 得 怎 您 我 或 所 打 把 拿 据 无 既 是 曾 最 有 来 某 此 每 比
        沿 用 由 的 看 着 给 而 自 至 致 若 虽 被 让 该 诸 谁 起 趁 距 跟 还
        这 那 随 靠
    """,
    "danish": """
        ad af alle alt anden at blev blive bliver da de dem den denne der deres det dette dig din
        disse dog du efter eller en end er et for fra ham han hans har havde have hende hendes her
        hos hun hvad hvis hvor i ikke ind jeg jer jo kunne man mange med meget men mig min mine
        mit mod ned noget nogle nu når og også om op os over på selv sig sin sine sit skal skulle
        som sådan thi til ud under var vi vil ville vor være været
    """,
    "dutch": """
        aan al alles als altijd andere ben bij daar dan dat de der deze die dit doch doen door dus
        een eens en er ge geen geweest haar had heb hebben heeft hem het hier hij hoe hun iemand
        iets ik in is ja je kan kon kunnen maar me meer men met mij mijn moet na naar niet niets
        nog nu of om omdat onder ons ook op over reeds te tegen toch toen tot u uit uw van veel
        voor want waren was wat werd wezen wie wil worden wordt zal ze zelf zich zij zijn zo
        zonder zou
    """,
    "finnish": """
        ei eivät emme en et ette että he heidän heidät heihin heille heillä heiltä heissä heistä
        heitä hän häneen hänelle hänellä häneltä hänen hänessä hänestä hänet häntä itse ja johon
        joiden joihin joiksi joilla joille joilta joina joissa joista joita joka joksi jolla jolle
        jolta jona jonka jos jossa josta jota jotka kanssa keiden keihin keiksi keille keillä
        keiltä keinä keissä keistä keitä keneen keneksi kenelle kenellä keneltä kenen kenenä
        kenessä kenestä kenet ketkä ketä koska kuin kuka kun me meidän meidät meihin meille meillä
        meiltä meissä meistä meitä mihin miksi mikä mille millä miltä minkä minua minulla minulle
        minulta minun minussa minusta minut minuun minä missä mistä mitkä mitä mukaan mutta ne
        niiden niihin niiksi niille niillä niiltä niin niinä niissä niistä niitä noiden noihin
        noiksi noilla noille noilta noin noina noissa noista noita nuo nyt näiden näihin näiksi
        näille näillä näiltä näinä näissä näistä näitä nämä ole olemme olen olet olette oli olimme
        olin olisi olisimme olisin olisit olisitte olisivat olit olitte olivat olla olleet ollut
        on ovat poikki se sekä sen siihen siinä siitä siksi sille sillä siltä sinua sinulla
        sinulle sinulta sinun sinussa sinusta sinut sinuun sinä sitä tai tallä te teidän teidät
        teihin teille teillä teiltä teissä teistä teitä tuo tuohon tuoksi tuolla tuolle tuolta
        tuon tuona tuossa tuosta tuotä tähän täksi tälle tältä tämä tämän tänä tässä tästä tätä
        vaan vai vaikka yli
    """,
    "french": """
        ai aie aient aies ait as au aura aurai auraient aurais aurait auras aurez auriez aurions
        aurons auront aux avaient avais avait avec avez aviez avions avons ayant ayante ayantes
        ayants ayez ayons c ce ces d dans de des du elle en es est et eu eue eues eurent eus eusse
        eussent eusses eussiez eussions eut eux eûmes eût eûtes furent fus fusse fussent fusses
        fussiez fussions fut fûmes fût fûtes il j je l la le leur lui m ma mais me mes moi mon
        même n ne nos notre nous on ont ou par pas pour qu que qui s sa se sera serai seraient
        serais serait seras serez seriez serions serons seront ses soient sois soit sommes son
        sont soyez soyons suis sur t ta te tes toi ton tu un une vos votre vous y à étaient étais
        était étant étante étantes étants étiez étions été étée étées étés êtes
    """,
    "german": """
        aber alle allem allen aller alles als also am an ander andere anderem anderen anderer
        anderes anderm andern anderr anders auch auf aus bei bin bis bist da damit dann das
        dasselbe dazu daß dein deine deinem deinen deiner deines dem demselben den denn denselben
        der derer derselbe derselben des desselben dessen dich die dies diese dieselbe dieselben
        diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines einig
        einige einigem einigen einiger einiges einmal er es etwas euch euer eure eurem euren eurer
        eures für gegen gewesen hab habe haben hat hatte hatten hier hin hinter ich ihm ihn ihnen
        ihr ihre ihrem ihren ihrer ihres im in indem ins ist jede jedem jeden jeder jedes jene
        jenem jenen jener jenes jetzt kann kein keine keinem keinen keiner keines können könnte
        machen man manche manchem manchen mancher manches mein meine meinem meinen meiner meines
        mich mir mit muss musste nach nicht nichts noch nun nur ob oder ohne sehr sein seine
        seinem seinen seiner seines selbst sich sie sind so solche solchem solchen solcher solches
        soll sollte sondern sonst um und uns unse unsem unsen unser unses unter viel vom von vor
        war waren warst was weg weil weiter welche welchem welchen welcher welches wenn werde
        werden wie wieder will wir wird wirst wo wollen wollte während würde würden zu zum zur
        zwar zwischen über
    """,
    "greek": """
        ίσως αλλά αν αντί από αυτά αυτές αυτή αυτοί αυτούς αυτό αυτός αυτών για δε δεν εάν είμαι
        είμαστε είναι είσαι είστε εγώ εκείνα εκείνες εκείνη εκείνο εκείνοι εκείνος εμείς ενώ επί
        εσείς εσύ η θα και κατά κι μα μας με μετά μη μην μου να ο οι παρά ποια ποιες ποιο ποιοι
        ποιος ποιους που προς πως σας σε σου στα στη στην στις στο στον στους τα την της τι τις το
        τον του τους των τότε ως όμως όπως όσο ότι
    """,
    "hungarian": """
        a abban ahhoz ahogy ahol aki akik akkor alatt amely amelyek amelyekben amelyeket amelyet
        amelynek ami amikor amit amolyan amíg annak arra arról az azok azon azonban azt aztán
        azután azzal azért be belül benne bár cikk cikkek cikkeket csak de e ebben eddig egy egyes
        egyetlen egyik egyre egyéb egész ehhez ekkor el ellen elsõ elég elõ elõször elõtt emilyen
        ennek erre ez ezek ezen ezt ezzel ezért fel felé hanem hiszen hogy hogyan igen ill ill.
        illetve ilyen ilyenkor ismét ison itt jobban jó jól kell kellett keressünk keresztül ki
        kívül között közül legalább legyen lehet lehetett lenne lenni lesz lett maga magát majd
        meg mellett mely melyek mert mi mikor milyen minden mindenki mindent mindig mint mintha
        mit mivel miért most már más másik még míg nagy nagyobb nagyon ne nekem neki nem nincs
        néha néhány nélkül olyan ott pedig persze rá s saját sem semmi sok sokat sokkal szemben
        szerint szinte számára talán tehát teljes tovább továbbá több ugyanis utolsó után utána
        vagy vagyis vagyok valaki valami valamint való van vannak vele vissza viszont volna volt
        voltak voltam voltunk által általában át én éppen és így õ õk õket össze úgy új újabb újra
    """,
    "italian": """
        a abbia abbiamo abbiano abbiate ad agl agli ai al all alla alle allo anche avemmo avendo
        avesse avessero avessi avessimo aveste avesti avete aveva avevamo avevano avevate avevi
        avevo avrai avranno avrebbe avrebbero avrei avremmo avremo avreste avresti avrete avrà
        avrò avuta avute avuti avuto c che chi ci coi col come con contro cui da dagl dagli dai
        dal dall dalla dalle dallo degl degli dei del dell della delle dello di dov dove e ebbe
        ebbero ebbi ed era erano eravamo eravate eri ero essendo faccia facciamo facciano facciate
        faccio facemmo facendo facesse facessero facessi facessimo faceste facesti faceva facevamo
        facevano facevate facevi facevo fai fanno farai faranno farebbe farebbero farei faremmo
        faremo fareste faresti farete farà farò fece fecero feci fosse fossero fossi fossimo foste
        fosti fu fui fummo furono gli ha hai hanno ho i il in io l la le lei li lo loro lui ma mi
        mia mie miei mio ne negl negli nei nel nell nella nelle nello noi non nostra nostre nostri
        nostro o per perché più quale quanta quante quanti quanto quella quelle quelli quello
        questa queste questi questo sarai saranno sarebbe sarebbero sarei saremmo saremo sareste
        saresti sarete sarà sarò se sei si sia siamo siano siate siete sono sta stai stando stanno
        starai staranno starebbe starebbero starei staremmo staremo stareste staresti starete
        starà starò stava stavamo stavano stavate stavi stavo stemmo stesse stessero stessi
        stessimo steste stesti stette stettero stetti stia stiamo stiano stiate sto su sua sue
        sugl sugli sui sul sull sulla sulle sullo suo suoi ti tra tu tua tue tuo tuoi tutti tutto
        un una uno vi voi vostra vostre vostri vostro è
    """,
    "norwegian": """
        alle at av bare begge ble blei bli blir blitt både båe da de deg dei deim deira deires dem
        den denne der dere deres det dette di din disse ditt du dykk dykkar då eg ein eit eitt
        eller elles en enn er et ett etter for fordi fra før ha hadde han hans har hennar henne
        hennes her hjå ho hoe honom hoss hossen hun hva hvem hver hvilke hvilken hvis hvor hvordan
        hvorfor i ikke ikkje ingen ingi inkje inn inni ja jeg kan kom korleis korso kun kunne kva
        kvar kvarhelst kven kvi kvifor man mange me med medan meg meget mellom men mi min mine
        mitt mot mykje ned no noe noen noka noko nokon nokor nokre nå når og også om opp oss over
        på samme seg selv si sia sidan siden sin sine sitt sjøl skal skulle slik so som somme somt
        så sånn til um upp ut uten var vart varte ved vere verte vi vil ville vore vors vort vår
        være vært å
    """,
    "portuguese": """
        a ao aos aquela aquelas aquele aqueles aquilo as até com como da das de dela delas dele
        deles depois do dos e ela elas ele eles em entre era eram essa essas esse esses esta
        estamos estas estava estavam este esteja estejam estejamos estes esteve estive estivemos
        estiver estivera estiveram estiverem estivermos estivesse estivessem estivéramos
        estivéssemos estou está estávamos estão eu foi fomos for fora foram forem formos fosse
        fossem fui fôramos fôssemos haja hajam hajamos havemos hei houve houvemos houver houvera
        houveram houverei houverem houveremos houveria houveriam houvermos houverá houverão
        houveríamos houvesse houvessem houvéramos houvéssemos há hão isso isto já lhe lhes mais
        mas me mesmo meu meus minha minhas muito na nas nem no nos nossa nossas nosso nossos num
        numa não nós o os ou para pela pelas pelo pelos por qual quando que quem se seja sejam
        sejamos sem serei seremos seria seriam será serão seríamos seu seus somos sou sua suas são
        só também te tem temos tenha tenham tenhamos tenho terei teremos teria teriam terá terão
        teríamos teu teus teve tinha tinham tive tivemos tiver tivera tiveram tiverem tivermos
        tivesse tivessem tivéramos tivéssemos tu tua tuas tém tínhamos um uma você vocês vos à às
        éramos
    """,
    "romanian": """
        a abia acea aceasta această aceea aceeasi aceia acel acela acelasi acelea acest acesta
        aceste acestea acestei acestia acestui acolo acum adica ai aia aici aiurea al ala alaturi
        ale alt alta altceva alte altfel alti altii altul am anume apoi ar are as asa asemenea
        asta astazi astfel asupra atare atat atata atatea atatia ati atit atita atitea atitia
        atunci atât au avea avem avut azi aşa așa b ba bine c ca cam cand capat care careia carora
        caruia cat cata cate cateva cativa catre ce cea ceea cei ceilalti cel cele celor ceva
        chiar ci cind cine cineva cit cita cite citeva citi citiva conform cu cui cum cumva când
        cât câte câţi câți că cărei cărui d da daca dar dat de deasupra decat deci decit degraba
        deja desi despre deşi deși din dintr dintr-o dintr-un dintre doar dupa după ea ei el ele
        era este eu exact f face fara fata fel fi fie foarte fost fără geaba h i ia iar iara iată
        ii il imi in inainte inapoi inca incat incit insa intr intr-o intr-un intre intrucat isi
        iti j k l la le li lor lui m ma mai mare mi mod mult multa multe multi mâine mă n ne ni
        nici nicidecum niciodata nimeni nimic niste noi nostri nou noua nu numai o or ori orice
        oricum p pai pana parca pe pentru peste pina plus prea prin putini până r s sa sa-mi sa-ti
        sai sale sau se si sint sintem spre sub sunt suntem sus să săi său t te ti toata toate
        toată tocmai tot toti totul totusi toţi toți tu tuturor tău u ul ului un una unde unei
        unele uneori unii unor unui unul v va voi vom vor vreo vreun îi îl în încă îşi își ăla
        ăsta şi ţi și ți
    """,
    "russian": """
        а без более больше будет будто бы был была были было быть в вам вас вдруг ведь во вот
        впрочем все всегда всего всех всю вы где да даже два для до другой его ее ей ему если есть
        еще ж же за зачем здесь и из или им иногда их к как какая какой когда конечно кто куда ли
        лучше между меня мне много может можно мой моя мы на над надо наконец нас не него нее ней
        нельзя нет ни нибудь никогда ним них ничего но ну о об один он она они опять от перед по
        под после потом потому почти при про раз разве с сам свою себе себя сейчас со совсем так
        такой там тебя тем теперь то тогда того тоже только том тот три тут ты у уж уже хорошо
        хоть чего чем через что чтоб чтобы чуть эти этого этой этом этот эту я
    """,
    "spanish": """
        a al algo algunas algunos ante antes como con contra cual cuando de del desde donde
        durante e el ella ellas ellos en entre era erais eran eras eres es esa esas ese eso esos
        esta estaba estabais estaban estabas estad estada estadas estado estados estamos estando
        estar estaremos estará estarán estarás estaré estaréis estaría estaríais estaríamos
        estarían estarías estas este estemos esto estos estoy estuve estuviera estuvierais
        estuvieran estuvieras estuvieron estuviese estuvieseis estuviesen estuvieses estuvimos
        estuviste estuvisteis estuviéramos estuviésemos estuvo está estábamos estáis están estás
        esté estéis estén estés fue fuera fuerais fueran fueras fueron fuese fueseis fuesen fueses
        fui fuimos fuiste fuisteis fuéramos fuésemos ha habida habidas habido habidos habiendo
        habremos habrá habrán habrás habré habréis habría habríais habríamos habrían habrías
        habéis había habíais habíamos habían habías han has hasta hay haya hayamos hayan hayas
        hayáis he hemos hube hubiera hubierais hubieran hubieras hubieron hubiese hubieseis
        hubiesen hubieses hubimos hubiste hubisteis hubiéramos hubiésemos hubo la las le les lo
        los me mi mis mucho muchos muy más mí mía mías mío míos nada ni no nos nosotras nosotros
        nuestra nuestras nuestro nuestros o os otra otras otro otros para pero poco por porque que
        quien quienes qué se sea seamos sean seas sentid sentida sentidas sentido sentidos seremos
        será serán serás seré seréis sería seríais seríamos serían serías seáis siente sin
        sintiendo sobre sois somos son soy su sus suya suyas suyo suyos sí también tanto te
        tendremos tendrá tendrán tendrás tendré tendréis tendría tendríais tendríamos tendrían
        tendrías tened tenemos tenga tengamos tengan tengas tengo tengáis tenida tenidas tenido
        tenidos teniendo tenéis tenía teníais teníamos tenían tenías ti tiene tienen tienes todo
        todos tu tus tuve tuviera tuvierais tuvieran tuvieras tuvieron tuviese tuvieseis tuviesen
        tuvieses tuvimos tuviste tuvisteis tuviéramos tuviésemos tuvo tuya tuyas tuyo tuyos tú un
        una uno unos vosostras vosostros vuestra vuestras vuestro vuestros y ya yo él éramos
    """,
    "swedish": """
        alla allt att av blev bli blir blivit de dem den denna deras dess dessa det detta dig din
        dina ditt du där då efter ej eller en er era ert ett från för ha hade han hans har henne
        hennes hon honom hur här i icke ingen inom inte jag ju kan kunde man med mellan men mig
        min mina mitt mot mycket ni nu när någon något några och om oss på samma sedan sig sin
        sina sitta själv skulle som så sådan sådana sådant till under upp ut utan vad var vara
        varför varit varje vars vart vem vi vid vilka vilkas vilken vilket vår våra vårt än är åt
        över
    """,
    "tamil": """
        அங்கு அங்கே அதனால் அதன் அதற்கு அதில் அது அதே அதை அந்த அன்று அல்லது அவன் அவரது அவர் அவர்கள்
        அவள் அவை ஆகிய ஆகும் இங்கு இங்கே இதனால் இதனை இதன் இதற்கு இதில் இது இதை இந்த இன்னும் இப்போது
        இரு இருக்கும் இருந்த இருந்தது இருந்து இவர் இவை உன் உள்ள உள்ளது உள்ளன எந்த என எனக்கு எனவே
        எனினும் எனும் என் என்ன என்னும் என்பது என்பதை என்ற என்று என்றும் எல்லாம் ஏன் ஒரு ஒரே ஓர்
        கொண்ட கொண்டு சில தனது தன் தவிர தான் நான் நாம் நீ பற்றி பல பலரும் பின் பின்னர் பிற பிறகு
        போது போன்ற போல போல் மட்டுமே மட்டும் மற்ற மற்றும் மிக மிகவும் மீது முதல் மேலும் மேல் யார்
        வந்த வந்து வரும் வரை விட விட்டு வேண்டும் வேறு
    """,
    "thai": """
        กล่าว กว่า กัน กับ การ ก็ ก่อน ขณะ ขอ ของ ขึ้น คง ครั้ง ความ คือ จะ จัด จาก จึง ช่วง ซึ่ง
        ดัง ด้วย ด้าน ตั้ง ตั้งแต่ ตาม ต่อ ต่าง ต่างๆ ต้อง ถึง ถูก ถ้า ทั้ง ทั้งนี้ ทาง ทำ ทำให้
        ที่ ที่สุด ทุก ทํา ทําให้ นอกจาก นัก นั้น นำ นี้ น่า นํา บาง ผล ผ่าน พบ พร้อม มา มาก มี
        ยัง รวม ระหว่าง รับ ราย ร่วม ลง วัน ว่า สำหรับ สุด ส่ง ส่วน สําหรับ หนึ่ง หรือ หลัง
        หลังจาก หลาย หาก อยาก อยู่ อย่าง ออก อะไร อาจ อีก เขา เข้า เคย เฉพาะ เช่น เดียว เดียวกัน
        เนื่องจาก เปิด เปิดเผย เป็น เป็นการ เพราะ เพื่อ เมื่อ เรา เริ่ม เลย เห็น เอง แต่ แบบ แรก
        และ แล้ว แห่ง โดย ใน ให้ ได้ ไป ไม่ ไว้
    """,
    "turkish": """
        acaba ama aslında az bazı belki biri birkaç birşey biz bu da daha de defa diye en eğer
        gibi hem hep hepsi her hiç ile ise için kez ki kim mu mü mı nasıl ne neden nerde nerede
        nereye niye niçin o sanki siz tüm ve veya ya yani çok çünkü şey şu
    """,
}

STOP_WORD_LISTS: tuple[str, ...] = tuple(f"_{name}_" for name in sorted([*_LISTS, "english"]))
"""Names of lists that ``stop_words`` may hold."""


@cache
def stop_words(name: str) -> frozenset[str]:
    """Return the list with a name of ``STOP_WORD_LISTS``."""
    language = name.strip("_")
    return ENGLISH_STOP_WORDS if language == "english" else frozenset(_LISTS[language].split())
