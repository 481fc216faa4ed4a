"""Which letters stand side by side in which language?

Some 300 of the most frequent groups of three letters of each language in Latin letters, the most
frequent first; a low line stands for the space between words. They were counted in the
translations of the messages of Django, some 15,000 to 25,000 letters of each language.
"""

# ruff: noqa: RUF001 - letters that look like others are the subject here

from __future__ import annotations

TRIGRAMS = {
    "danish": """
        er_ en_ _de et_ de_ for _væ ind re_ _fo _in vær ere den nde _en kke ke_ til ikk lle _ad der
        _ik _ti ang st_ ode _er end il_ ngs ne_ at_ _du _af gan ger _sk ing ter te_ kod ler or_ du_
        adg dga dig gsk sko _di af_ ære _ha _br al_ nne rdi ret ska lig ede _at tte ge_ _re enn ar_
        in_ det _si ndt ett bru din ell rug ærd ent yld ver ng_ gyl ldi _el kal har _me let _vi ide
        dta se_ _be tio ion uge ed_ sid tas ast gst red ekt om_ _et gen ig_ str _ve _ma _sl _ko ste
        all _bl ige _va rer _ka _og ati nge val an_ orm tet men og_ tre _i_ ill ser kan sle _på di_
        on_ ble es_ _he _gy lse ten ren _hv ven jek min dre nd_ gt_ _al _nu ist nli igs res sta med
        die to_ le_ lev enl _ob obj bje igt _må nin ien _da mat kte ive sen lin mul els _te del one
        dat tem som _se på_ vil elt lde _bo und nds må_ _fi rma hed hvi is_ tal ate nen rre _tr _fe
        lat nta ev_ kon ker vis bes reg _fø fil nul kt_ ont kræ ndr eho hol old _do _li rin ins ue_
        alg igh ghe age lte gge _so _om kti abe bel sti ume _mi deh tat ave des lt_ _st nst fel nte
        ata gle vet _op eri web ebs bsi så_ ner lge mod est cif _ku kun rel _fr ve_ dt_ _to _ug ugy
        ato ifi mme app her ore and _ta _så ite akt bas lst dok oku kum sse bog fre ers teg egn fer
        før len eks tru _fa fal _mm mm_ kor rek _an lem em_ run ndl tag _we ræv æve sik _ge føl tni
        ase uls _e_ mai ail ogs _ci _un ege _bi gn_ lla _ek mt_ _no orr nti ela efe uli eme met lik
        get ord ref me_ ern _ud tiv mer deb _fu væl ælg etn sit adm dmi tig fte _au aut _lo log _mo
        el_ kab elo lon nav avn tav fra id_ dst ksi alt lad _r_ lg_ rue als tif tor dse ula mar ark
        rke ilg æng eli lis ta_ rt_ pli eru ske esk ade bli liv vi_ _sa cer per nto mær ærk lfø han
        ølg tra fic ogg lli skr vn_ adr ess ug_ ifr rst un_ tri art ra_ ali _hø ør_ sk_ _uu tid ns_
        emm var rmu lar man fej ejl _kr bro row ows wse _gr dem _ig hve sam bek ook giv fun tti øje
        _æn ænd fin ini nis rat tak _ny eba ute ice ema ma_ ons ets ken vie iew eta hel lta ult slu
        bin uni ilt omm _mu rte høj ima mal sis boo _dd dd_ _tt tt_ _ss ss_ uu_ unk nkt ik_ son typ
        ype emt ele lgæ gæn gel ngl ved pre ort ked esp spø pør ørg hea ead ori ink ude sky tel nt_
        eng int _em emp ppe _ur url rl_ emn _ap dli edi ilf føj ny_ gte _ga tab ine ene ts_ krå rås
        åst ski stø tør ørr um_ alu lue hav øjs jst eci adt dte ull beg sni ert lsk _åå åå_ ids ika
        kat ans are bil def lgm gmu eve _få _pr dup upl ike unn lke rgs gsl gru ikr kre ops sat ld_
    """,
    "dutch": """
        en_ de_ _ge er_ _de et_ oor een an_ _wa _he _be _vo rde eer ere _in is_ ord _is _ee _ve rd_
        eld aar cht te_ ver _va nie in_ _da het at_ van der ze_ tie ie_ ach erd wac htw two woo or_
        voo dez eze _zi _ni dat nde iet _te ten den voe waa ers ige _al ijn ren _op geb jn_ _u_ uw_
        gel dig ge_ ard lle zij ldi es_ ati wij _me _ma aan oer sta gen ing ect ebr ken bru rui uik
        gee _en ijd est ele gin _er _we ste _of of_ nge cte erw hee bes all ges _on _om _uw _mo gev
        ker ent sch ege met ter _zo jde ar_ tee op_ rwi ike eke ist _co st_ kt_ _di rs_ end _aa als
        len pag ens ree ins nst le_ ont ls_ om_ _pa ina el_ naa fer ns_ agi dan and it_ tte ld_ _no
        _wo wor nt_ ite wee _ob obj bje jec al_ na_ bev tat esc org toe ag_ maa ven eve eel tal taa
        lee zor _to oeg ng_ ond oet sel the _re _le rg_ lij moe evo _ko ehe get eva _do uit _li tek
        mee sit ier tel web erg vat str eli ijk _mi _ac eef eft ft_ con lec rei unt ieu euw _ui let
        _st ies dit ger lat lde ebs bsi gd_ ijz eta am_ _ci cij ijf jfe aat mag not ota uis geg nti
        on_ vol men kel _na ell cti _ku kun aal aam _sl lig tre nd_ erk vel ong _ju jui nta cha bas
        act _au aut die ind din ma_ min _bi ali ue_ tan age uur rst stu eri bel hie lin ica cat eis
        heb hak ake her jzi lge geh ate ome ig_ ett _nu egi nen _ke tru _mm mm_ re_ efe tuu orm _wi
        ee_ mel rec ct_ ese zig ich beh lt_ ase uth hen tic ema ntr ch_ ein res mai ug_ ode eid kom
        hte se_ atu tum _ti wer ref rer typ ype dt_ rel ela _fo sna igd chi eme _hi ete eek ebt bt_
        ikt opn ook ang rge pen _hu cce ces ewi olg zic del sla ke_ oon att tri _el doc ocu _e_ ail
        lad eep doo omm erv rvo jk_ gro nne bij ne_ _ka kan tij ole iti bew _ty rdt epa tro rol rin
        for ade gem ini cor orr rig bbe vra aag bro ser ene ik_ gav ave acc _su suc ucc gew out mod
        ech rsn see ilt we_ pni _tw twe rga etr elk _sj sja jab abl blo loo raa adr dre epj pje jes
        ide mma _s_ nu_ _ho oud beg ij_ val id_ rt_ bep _r_ _tr rue _fa fal lse _ss ewe ifi ute sse
        urd rmu lie bee _se kba ntb tbr bre _du ero ron nte omd mda row ows wse igi kop opp ppe pel
        _la las cco cou oun ms_ rke _sp eba _th hem laa isa sat ash ial lis geo eom rie _kl kle slu
        igg gge _un uni che hoo vee keu euz uze _dd dd_ _hh hh_ ss_ _uu uu_ ima _gr _bo sle paa sen
        mul uli _vi ink iss hik ikb ijs jst gek oge ien rri dub ubb ove baa anv hea ead ede itg lic
        eng alt lte eks _ur url ged _it tem nog opg pge fou ut_ eda bek jke ler tab abe nme unn ngt
    """,
    "english": """
        _th the he_ ed_ is_ er_ _yo you re_ _fo _to _pa ing or_ _be for ng_ val to_ _in _re _no ent
        _co thi se_ _va ion _an ter ect _a_ ate his in_ on_ _is _en te_ rd_ ass ue_ wor ord at_ tio
        pas ssw swo an_ ted not es_ as_ st_ ou_ be_ ase it_ ot_ _it le_ lea our ur_ use _us tha alu
        lue nd_ _ch _de ele _or _ha _se eas ge_ con ali id_ ati let ly_ age ts_ ure ct_ ser lid ple
        nte ers and _su _ma del _do me_ _fi ll_ lat orm abl ess han nta _of of_ low ble ve_ sur _pl
        _al _wi ith pag ist rs_ ens _mu her _ar ns_ tin are ld_ ite tem _le res _si has ere all mus
        ust mat rre _wa hat ain ons equ cha act nt_ th_ ces ica cat _ad cor _on rec _ac ont ail ore
        nsu cte _mo ead _ca _da rma ut_ was ay_ req _ob obj bje jec _nu ss_ hen _di _ex orr en_ sit
        cti cce llo wit dat nti red ew_ ang tte _un rea ull can emp per may ch_ ow_ oul uld _t_ ire
        _li oun ry_ nge _au aut mpl ins no_ ame _st fil fie _tr _bo sel lec ssi hav ave hem em_ suc
        cts uth num tai _em pla ce_ str _vi iel eld rel iss sin lic _wh qui ucc ssf sfu ful acc eti
        ume doc ocu mai add ett der ara ste _at ile nst ne_ inv nva lly que ete men mis _if if_ _pe
        bel uir _pr pro set _ge _ba bas sed tic _te umb mbe ber und sta _s_ har rac ice tru one _mm
        mm_ _bu but ive min ty_ cou et_ fol win _ap app cum tat nam ema rat _by by_ _so sio exi xis
        sts cho _fa als dd_ rmi ela een ata _ta ds_ _ne elo _ve _ab fer _he _we ke_ ook vie iew ls_
        ged oll owi _sh sho ill ome _as int il_ _sl ode onl nly al_ ast mor ima tra hoi oic _ei eit
        rue fal lse boo _ty typ ype erm sub ubm bmi mit ck_ rm_ oth ded ila lab eme bee pli ues lin
        eri est ps_ ref efe cur ote _wo cco unt adm dmi wil _lo ese ash les ult nsi igi owe _r_ _ti
        ver ign che hec eck din ena upl ade lds ort whi hic ich ren bec eca cau aus rer hea _br bro
        row ows wse usi tri ern lte ks_ tes las gs_ doe oes sn_ wou hou tly mod new ark met ake mar
        try ran too el_ ug_ uni par _gr eat art tal eci ten alr lre ady dy_ _dd _hh hh_ _ss _uu uu_
        tim ime ifi nce ar_ _av ava vai ta_ amp ein ity ack onf dis isa sab nab _sa ori gin tag err
        bou out tiv whe tti ms_ _fu lis tor any _ur url cas we_ hor tab mak ria log _sp sig _ra des
        wer geo eom etr sla hes okm kma _na ddr dre nde dig git com omm ize so_ bef efo wed nul ank
        nk_ non ool _yy yy_ ide _ke key ey_ itt _up _mi bug _du dup igu rif fic led abo see _ht sen
        rit son cke ked nfi sam ag_ rot tec pri rna nat ink nks rin fou hin ngs ny_ old _ed edi dit
    """,
    "finnish": """
        en_ _ol lla ta_ la_ ist on_ _va _sa le_ tä_ oll sta _ei ei_ si_ ett _si in_ ole ttä _ko än_
        _on _tä ine ja_ sal ämä ala tta nen aa_ all lli las asa äyt ana san _jo _ta an_ täm arv rvo
        et_ tää mer _kä _ke ois käy lin _ja _ar lle ssa _mu taa ttu siv rja tet sa_ itt ytt ivu itä
        _ki tai _po ain kir irj voi erk vo_ ell _al ään hte utt _li _tu sti _se tee een aan koh kel
        imi _vo kki na_ tty poi _ka täj vai aut oit mis _pi esi äll ent ai_ sto äjä int ntä ike val
        ali _pä _nä ää_ oik ill mal tu_ ais ull ost mä_ llä lit ama lis _ma ste oht ume _sy syö yöt
        ut_ _to mää _vi tie tul män maa rkk ita sen _oi tun asi kse lee _et _me tei se_ tam äär muo
        iit ty_ aat est eet utu ise ksi ia_ ava ust var lä_ het tte yvä _lä läh ät_ kai oja isä min
        oko ötä _nu at_ ule ee_ pit jä_ ken tos aik _ti ähe _ku toi nta jau num ero kon ka_ uu_ jai
        it_ vat alu arm pää iä_ ema _su osi dos to_ hto os_ ast att ati ime isi ses ann nne net ona
        luk elv lvo vol tio stu aim rki _lu vus ko_ _uu lii toj ase vaa nai soi tuu tav _en eni hin
        _as oi_ ass ärä ivä kea vie edo aih sin nas _an kok nim un_ rmi kin täl saa _ty nul ikk ki_
        ton uod sit ied kis us_ uut _ni jos oim aks _hy vä_ sel _ot stä nee sis ohj ti_ oma nni mi_
        pos nna oka tut va_ nin itu eit mas nii uus man ien tyv ete sam ot_ hyv _py eel _re _ha inu
        suo uks den ihi met nan vun uku ku_ etu jok vii iiv täs sä_ lta uin _yh enn ua_ tyh yhj _mi
        päi äiv mut kaa _no tyy aus kos nis ake vät iet set det iin ude vul ite aav ssä von nyt yt_
        li_ sim uss yht kke ees väm oss ika ea_ tii _mä kum nut iht apo rit sak ott me_ eto io_ til
        poh hja nol unn näk isl slu _sä säh ähk hkö köp öpo oso te_ sek kä_ _os äss luv uvu _vä oni
        alk lue ue_ tui tke _de lem tän sar mat odo pp_ uot oa_ kee aki its tse toe oeh eht men muu
        kak ata emp tas _lö löy pyy osk let hal ääl ytä ity äst raa ohd jan ria uok jot iih ami avi
        tel vir irh rhe _yl keu jän usi nap tum ltä sii lau äky kym ymä unu inn koo roi lku ote ome
        kit paa _es aal ätt hjä ess _ep epä mit jon joi lma llo _ai ulu suu pie yty ark _lo ina dat
        vas yst oin mät onn ies ska ela lai ref efe fer rer er_ ots tsa dit uun tak see evä ura kat
        hee ide ito umi ält kui eis uud mia ro_ _do ekä avu _un rot lpa _ny oon ima tuj ova jo_ pät
        äto kij ijo ono _pp rä_ _tt tt_ _mm mm_ _ss ss_ lil vui pi_ yy_ tar oda uva jou _pu puu ute
        ma_ nnu öyd ydy dy_ äri ke_ aad adi _ky nak ori äks kan tuk ten sät hde näy tau _ur url rl_
    """,
    "french": """
        _de de_ es_ _pa pas _le re_ ur_ ion er_ ez_ le_ _co sse tio se_ on_ _va val ent eur te_ _vo
        _mo _un que ue_ us_ _la la_ ass nt_ as_ tre _es les ne_ des ous est st_ _ce et_ _l_ ati _en
        _au _qu un_ mot _n_ our _no ali vou _po ot_ _su ide res it_ _ch lis _ob con ais leu ont _do
        ifi ale obj bje jet act men ns_ ect pou cti ce_ ts_ lle _à_ en_ age lid nte _sa cha onn ge_
        iss par té_ _av ate isi til nti sai ess _a_ uti _ou au_ fic _pe sez _et _d_ iqu és_ _in ant
        ist _pr ier _dé aut ave sis ou_ _re ter _si _ut ili une sup _so cor _ét _du du_ ble nom ett
        ure _êt _fo otr ise cet oit ir_ rs_ _da rre été vot upp ten _sé ar_ _ac ons êtr for orm orr
        teu ppr mod isa sat pag tie _ca sur _ma _li ite ouv ssi _ne ère eme _ex ec_ mat ini me_ rai
        son vec ut_ ica cat uve doi ets _fa ux_ rma is_ dif mbr _pl tte _tr rec tif ans éle lec pri
        odi omb bre ire car com sél si_ plu _ré mai ham amp ait ara rac ctè tèr _as ell _il ori ée_
        peu sit nné tes rim lus nir éri il_ _fi ste int urs sou fie vez nne nou ien eni ssu ill ins
        sio ées eut dan jou air nts pro ci_ eau str mer ser at_ tra omp ich exi ver nta fin mis rit
        ime _ad rie chi _vi _ve lez pré ête ari out tou min _ba rez uel _to _ap ès_ tor ie_ aux ct_
        che rer _se vea uth the hen bar rri uni van uto ers pos ié_ man app per voi _af in_ abl all
        tat mp_ ule ris isé ps_ non dat iti ive lié iez env eux née veu eui uil rig ui_ ues ibl _me
        rat tiv suc ucc ccè cès ute riq doc ocu _ga gab aba cun ain ctu tue lem mul ces tru haî aîn
        îne _mm mm_ cte nst nce ang _vé vér rif enc lai nvo deu élé don ume _ci pon ssa ven lic ial
        mme tro lém éme fié _él iés erm _gé _nu auc ucu rés om_ el_ niq ieu tai tan _s_ qu_ hie mps
        xis esp cho vra fau ran sta _cl ula ème ige ubl sso _na gat tri tia omm mpt uer pre _aj ajo
        nis oss nit _mi ls_ ine dre cou urr ttr fér _ta sé_ _r_ hoi vid rti rue _vr fal als lse ité
        and den étr lat rmu voy ace _ra qui spo err mes nav avi vig iga onf sen ppl pli rou oir pte
        sib era sui uiv iva adm dmi dem rmi céd réi éin _vu vue cum adr iff vir irg rgu gul déb mpo
        por ort oin tal ens nsi ntr art _uu éci _ty typ ype déf éfi _jo nco _im ré_ fai enu oub _el
        sag fer erv ern dés nfi _lo aff ffi bli nés nde han nge ses ger réc éde acc gis rop géo éom
        omé mét iel let _ti ret bas hif ffr fre ple ébu but lue rte moi oix ix_ soi ai_ lée _jj jj_
        _hh hh_ _ss ss_ uu_ _he heu _sy anc ni_ sie oum oye cas nez mpl nu_ _on met gez ign ond ren
    """,
    "german": """
        en_ er_ ein te_ ich _ei der _da rt_ _di die _we _de che es_ ert ie_ ten in_ ben tte _be _si
        _bi nde ist wer itt cht sch tig _un den bit hen _au ste ige _zu ese nge ass ht_ ine ies rde
        st_ ss_ _se eit nd_ ch_ sei ne_ das gen _ge _is ing ent geb lti ung gül ült ier _er ebe nic
        on_ _ni ere _pa ort eic se_ ite end pas aus und len ssw ges des ate sie lte swo wor dat ber
        ern de_ _an ind lle nen ge_ sic her as_ ion tze _gü abe tio um_ ode mus uss _fü für ür_ _fe
        est ter _mu rei for ver _in ren ell zei ekt _ve _en _ko nte ng_ _fo utz nut ser _ob ers _od
        _mi eld erf zu_ all _wu wur urd _al rn_ _vo _es zur _um enu ati _ke kei sse _ha at_ _ab lös
        ösc auf erd fol olg _do chs fer tri _ze obj bje jek men ls_ us_ str tel it_ orm kte rfo ück
        bes wei hle ang lic _re rüc teh von ech _lö set etz zer ahl als sta unt mit sen kti akt tzt
        gre _ma el_ ffe rst ric _nu bei ens ns_ fel fal rte änd lde _ih ihr hre alt zen urü _ad ehe
        vie min _fa rec age kon wen uf_ lat nta lei nth lt_ mai il_ hst zif ei_ ue_ ts_ ig_ ngü mat
        wäh _wi gt_ zt_ and isc anz zah hl_ rze iff ur_ _so sin ld_ rf_ eut _li hat rma kor orr ord
        ann _üb fen ähl ar_ feh ehl lge erw hal det nn_ lgr cks neu mpl tem res _e_ ail _zi etr _gr
        tei ses dar _le esc rie lis mm_ ame kt_ eme run et_ hr_ chr emp hti geä eän tat ume esi kle
        uch kom nnt _vi nne dun tie arf _tr one ett _mm _zw übe oll ler eru web wir he_ _ak kan kse
        dok oku kum _te pla _kl ess tab eht em_ its uti ede _no atu tum rre ini _ta tra ade ref lls
        gef geo bro _he re_ tiv met eis _st _ka ut_ ank ele _sc nis _ga gan ner adr dre _bu omm iel
        ach _va id_ le_ ndu llt ll_ tru rue lse nke _uu lie üss sel ene nam me_ gel efe erh ppe rig
        igi ins nst ger mel rer row ows wse rwa erz ird rd_ igu fun rne ook im_ sig _fi gew wan del
        ont _hi hlt _ne ris zwe eom ome gie enn thä häl ält erg buc bin _du val _hö höc öch vor erl
        gun _r_ _bo boo les nli tsp spr pre rek be_ ide ifi chl fin nze ze_ tag rag lar usw nt_ rha
        elt ufg ete onn eri hab unk nkt ori _co füg ege let ons räg zug usg sge adm dmi rat hte ign
        gn_ fil ilt geg _kö kön önn tha nzz zza _kü kür ürz dur urc rch tre gin mal sti deu twe enk
        ket _dd dd_ nts _hh hh_ _ss uu_ gab son efi rmu mul ula eid och wah gem ken dop opp pel rri
        da_ fge lin tue uel ink anf seh hea ead ebb bbr hei zus _mü müs nöt öti _na bar zte _la hin
        gs_ _ur url tor inz nzu ewä ndt dte dan sol sit eln ln_ _im nba leg egt nk_ zum nfa hrä ägs
    """,
    "hungarian": """
        _a_ _me gy_ meg _ér az_ ele _az on_ egy _ho _le _eg et_ jel eg_ en_ len _ad em_ _sz _el es_
        fel ény _je _ne vén ért asz _va jon ek_ érv rvé ak_ hog ogy _ke nem _be tt_ _ta an_ tum és_
        djo rté lsz ell ték els ll_ leg ja_ tar art at_ agy _ka lda bb_ _ké szt _tö ez_ has _ki adj
        yes _ez _ha tel vál nál _ol old dal szá zám nye sze ik_ alá ála se_ _z_ ere szn zná het _al
        _kö el_ vag lt_ _fe _és biz kel hoz ező ot_ kez _bi zon nak min tal ól_ ssz ett ése ra_ nek
        sa_ tör tás ét_ lha szó áll las va_ ább átu zer ker let alm lma maz éke kér sza for umo zó_
        ük_ nyo ról egf gfe lye ok_ orm ált _mi al_ rta ket _ma ara ega láb ter gye ie_ örl lés _ob
        obj bje jek ekt ktu ész mot met ely _cs izo ony zto rmá enn _de ni_ _re hez elh kat be_ át_
        mok yos oso sod ék_ kar rak akt tés nyt mez kap cso rlé _vá ent áló lat _né kül odj kte yte
        leh ehe res dát _fo ban nie _id is_ ada dat rto zik sik lít ció _do mai jük mel zet ől_ rt_
        ző_ elő cs_ lap ság ott _dá sít apc pcs sol ása _új dja toz ese áci hat gés _e_ érj ame csa
        sak eze _ar arr rró esz nni idő men _hi ány _is íts er_ llí ésé zav ebb int oka ámo ből vel
        oz_ _ni nin inc ncs _en eng lel de_ lle re_ beá ezi _si ike del ozz _am bet zás tva enl nle
        _na val ert lje nge ged yez ke_ őt_ gad ás_ ete tet ind lem ető ítá tek _lé zés rés ene eál
        két tke zzá _jo gos ló_ nde als nt_ tok vet _cí cím rjü etű _ál sző ue_ elj van ve_ tot gya
        ren end osí son üld _se ön_ eme _li ha_ um_ bbi bi_ isz ítv lon _sa sen jog kiv ivá néz egé
        kis ato in_ ail ból gal gi_ jeb ély fáj ájl típ ípu pus ta_ án_ mna már ára pp_ lis oló lód
        ódó ódo elé ség ők_ tsa ozó lét éte te_ izt elk unk ogo osu sul ult rke onl _ge sz_ _ír írj
        ly_ köt nag elt hos oss jeg edé dél _fá rek ala _tr mát _uu dőt tos ai_ tó_ dó_ apo köz _kü
        zze rül új_ err rre lts ass érh rhe zt_ zen mer den _vé ga_ alt sét adm dmi ztr trá avá _mű
        _mó mód dos hon atá _mo _má ny_ tri abl éze ám_ lál ain _ur url lkü tűk töb öbb szö rje egi
        za_ gen _r_ edi tru rue lát ába yan zes ne_ san _tí mán _es ött sem erü ült _vo szo lér tő_
        ist _te eje hib _ja jav aví vít eke lő_ rte tez ezt _bö bön öng ngé tte _co ben ió_ dot köv
        öve etk kön tár nk_ ini the műv űve erk kes nla mod ode tsá éhe ma_ etn yek geo eom ome etr
        ria sab blo dom oma nev eve rl_ _t_ okb ess lté épe st_ id_ ull ege yed yen _fa fal lse kor
        umn _ug _óó óó_ _pp _mm mm_ uu_ kén nds dsz pon enő nőr ze_ rla ltö töl ölt név age zők bej
    """,
    "italian": """
        to_ re_ _di di_ _co ti_ on_ _in _no ato ion ent val non _va te_ _de ne_ er_ zio _un la_ ere
        nte per ser _pe ess _qu il_ ta_ sta _pa ass con _il eri le_ ell est _è_ one un_ que ore azi
        ett _ca ali _si men ati _es _se lla ues del _la na_ no_ ica rat pas tti lor sto ord _al alo
        ter ssw swo wor rd_ ins ten _st tat lid cor _ch he_ ris isc ssi orr are _tu nse sci ci_ tra
        che _ne sse ata rre _da ili ist _ri el_ _so _e_ li_ _nu lo_ for gge _pr ni_ ifi fic _og ina
        do_ _ma nti all ia_ io_ ric ont _tr ura ma_ _i_ orm ogg ume ro_ tto _o_ cur ra_ _ha oni se_
        lat ve_ _fo ute get agi gin att sic icu si_ car ll_ _mo cat _l_ pag _mi _le _vi _as so_ ri_
        cam _pu eve dat bil ome _te tem str ido ate da_ _a_ una ele ame mod int min mpo dev ver _su
        ona anc _ut ini _fi ono rma iar reg tte ggi ue_ son po_ me_ _po sel ezi chi tro acc mil pre
        ene sia sso nel ori inv lez gli can ces seg ito cce _ac _do ema ile cel amp nvi odi dif ich
        tuo _re der ai_ emp lia izz ale agg ste mat ret ari rio _ve pos uo_ sit ova ost num mer nta
        ual ha_ fil llo tor _du ca_ _li ui_ hie zza taz nce rdi ard ero ott ara mes ida può uò_ _ti
        lle iat mpl ede uov oi_ tri unt doc ocu let _or ga_ rim _sc _fa ega com nes dis ssa lic qui
        tua tta ria va_ _us egu ei_ tut ltr utt ner ese cif sot rar via vi_ in_ col tru nat nom ibi
        amb mbi _im isp spo pon pi_ ebb sar ita fer tiv uoi imp nuo abi _gl _ge pla sul riz mai _ci
        ine ole gio erm _am sce _mm mm_ ntr mpi reb bbe laz sis ied nt_ uto app cco sco nto _el imi
        era cum ger ind ndi ora ior tip izi lme eno _pi pri ull fal rif nar egg lis man be_ nal err
        pro de_ za_ lit _br hai _ta dei suc ucc raz _ap cou oun bia tam gue uen nis usa met uel dir
        ifr lin olo par ime sio più iù_ ima amm als co_ al_ rm_ ssu sun ann eme pot _er pli ico _fu
        erc rer puo alt _ag lim rra _au aut tab ua_ ave due vie geo eom etr res isu _em ail uno ug_
        sol mag niz ndo alm tal rme _r_ rue opp ure lse ano leg gat orn otr ece nde rot edi art bro
        row ows wse ce_ _sa onf sat iva ote ern ook qua _az giu iun arl mmi _sp _gr _vo ode liz _ab
        fin tic ilt egi gis _av rit arr iew alc cun ult iri zzo zo_ _sl tin dim nsi and eng ota eci
        nul vio _op _gg gg_ _hh hh_ _ss ss_ _uu uu_ rei oll iga oss ram nne nib nca age tre nec egn
        gna rro lem ond ttu igu esi ies _me rch ref efe ezz tag _ad rti ie_ inf erv rov vat nst _ur
        url pp_ sti ing usc ien rne ren eli rel ela ran nno lar _at til ew_ sen lcu lta ire fre eat
    """,
    "norwegian": """
        er_ en_ et_ _de for _fo til re_ _ti ver det den _er kke ke_ _ve ikk _en ere or_ ett lle ler
        _ik _in _du enn ne_ nne de_ du_ te_ il_ ing ord ker dig ter ell ig_ end _av inn _pa sso pas
        ass av_ rdi _ha sor _me ar_ tt_ ruk all ldi tte bru gen opp gyl yld _el _br _op _ko erd st_
        _ka der nge ien har at_ an_ _di nde str må_ ser kan ert lig _å_ ide _et _re _må _væ vær _og
        uke _si ære men og_ ng_ sjo jon die _på _se ll_ tre ede på_ ekt ste om_ ren _vi sid nn_ ppg
        se_ _at sle let ger dre pgi _gy _sl jek itt _ne ill _bl le_ ge_ ige rer net ist rte asj tal
        med lat es_ _va ent ven nli ene _ob obj bje res gi_ _sk sta ed_ orm kte rt_ nnl lin mer elt
        rek kt_ _fi sen _ma _hv rd_ rde _he min _be nst len ten din igs gst _i_ ret _ad lse _fe tet
        _da lge ang _so som in_ kon vil ate _al one dat bli ndr lde sse skr _bo _nu _ta _li ins val
        kor ble hvi ont sti dit hol old bok rre _tr _fø ull _la gge eng lis vis eri kre erk ess est
        _un lt_ rel els alg fel orr di_ on_ nta kje ern jen is_ ted tti _do neh eho bes _ku kun lik
        _st mal fil nul red lte _fa ato rma to_ ela lst ise nen lli mme hel adr _po ost ers un_ _sø
        sør ørg rg_ ør_ lla _ug ugy _mm mm_ ytt skj nav avn vel lls nfo sik ons adm dmi riv _e_ pos
        oks rin _te teg egn gn_ før unk ile del fin nes ue_ _to tru fal _no tid ive tor el_ kk_ _ny
        ilg gje app lem rig _sa rev eve ref efe het ake set tra tin føl ølg ner _mo _ge _mi ind kri
        iv_ kst tav ave eke _bi _r_ mat rme kes ans las var lag elg _fu ata gle met rri pli ned ore
        _ek eks fei eil tts _kr fer ir_ akt em_ rna ini nis bak dok oku kum ume tas lta ug_ und des
        ode ik_ att lg_ rue als _uu kti son _fr _an age dt_ pen ema pp_ man eme ta_ enf sam spø pør
        tst ade ttl tle les ese tiv ilk me_ ori nt_ _sp ra_ ras mod _om _ga ksj ilb lba ome num umm
        tta stå rst uni _ip ipv pv_ ilt _nå nkt _dd dd_ _hh hh_ _ss ss_ uu_ id_ _fl tig ifi typ ype
        ndt jem vne ast rke kse lgj gel eli ort lke hea ead li_ _nø ssi art dem esk tel _ut ntr tro
        rol ran nsk ele git ukt _ur url nto and igh ghe log ogg gan ken geo eom etr rie _ov ove krå
        rås åst ek_ fun ult tad slu ørr tri nns nå_ esi al_ pun mt_ nte _yy yy_ alt sel nse tem ids
        mel llo mae rn_ egg agt gt_ ndi ngl lit ns_ bug _pr obl dup upl ine unn ørs _ht ets kap ure
        hve tag agg sky kyt øre oll per _co emt emp ppe ngs noe oen rl_ _få få_ sto _le han dli nss
        tak lgt gte fra vn_ nyt ete _lo gir gis ngi _ba ls_ okm kme nks vie iew ew_ ale _ap lug bin
    """,
    "portuguese": """
        _se _de os_ ão_ de_ do_ _co or_ te_ _es ra_ _o_ as_ _po _um que ue_ ara ado _pa _in est er_
        par _re _nã não ar_ es_ enh nte ha_ ent nha um_ da_ for _te _va _no ção con val _a_ _fo _qu
        ma_ men se_ em_ ter sen _do por ido com orm io_ alo ste _fa lid açã dos uma lor tem rio ou_
        ser ica _ca to_ vál áli _su ont ten ta_ cio _ou ári _e_ ode ver ion _vo ifi om_ ist _us _en
        tra no_ sta _da ada ite voc ocê cê_ _ma eci ess _é_ is_ ida ro_ pod fav avo vor _os eve nta
        gin int _vá _em cor tos rti dev ona sua ina na_ me_ ert iqu ões das ve_ eto _ob _ex pos tar
        rma tá_ rem emo usu suá uár res mai _ce cer fiq lo_ _pe orr stá nad str ame ua_ inf ins ere
        ema ndo rad tif al_ so_ _ve nti _si ces _al _pá pág ági nfo ele _di foi oi_ eu_ seg egu ros
        _ap sso emp mat _ad ita obj bje jet _me rme mpl car per ato rre ia_ env nvi _li alt era _au
        _pr sit seu çõe mov aut _nú núm úme mer ero ito ja_ tes rqu qui cad ela lat ili ria ini _ba
        eir ira ens ico _ta inv ora co_ min ocu tic end ual mo_ act oss ivo cam amp mpo fal _na raç
        caç lte lic ova tri dic ici ute doc _as _to são dad nvá ret mas fic aci via iad eri age rec
        fer gur lit gui iro eno ssa lta nsi sir der let etr ras sco ome and ant cte ais pon _ar arq
        vo_ erm rmi po_ one esc rel _ne sar ir_ nos tro exi _mo des abi bil igi uin cid suc uce taç
        sel lec nov rá_ _fi ove tod ume pla ate nde il_ sej eja igu tam rac re_ tal ne_ _mm mm_ nci
        ave lac _du ntr íve pro _ab ece tiv onf va_ _it rra iza _ge cum tad ail ns_ las tip eça ali
        uiv _tr dat ata _ho nst cia col ura vie ça_ vei eis pli equ abe nec adi nfi ori usa açõ nar
        mod adm dmi nis rar iss fin til el_ arr sse tei ug_ _le ore pen ena nas git ula _el ho_ ass
        _an _sã _r_ tru als _ch ran _ti elo nen nhu hum gem spo lis tir _ao qua aba bai aix ixo xo_
        lin eta edi ref efe fig err ote ois enc nco _ac erá liz uas def uti ca_ sa_ ult nic ape plo
        ui_ nto _nu _bo _uu hor dor olh lha ipo _mu rif dif rmu mul ulá lár ie_ mar tan ram am_ pre
        ao_ rri xis alh lho req uer gad rig pri omo ook _la tas _lo out ric _vi mis bas ase sea ead
        ace ede fil ilt ltr efi gor orn rne geo eom del bar reç eço ço_ le_ ior exe id_ ima mit rue
        lse boo ade _dd dd_ _hh hh_ _ss ss_ uu_ ive on_ pel mui uit _am amb dis isp oní nív tão tór
        óri rij ija _fu cab beç çal ega anç nça uro esa sab _sa in_ tag ind ern ati ink rin ala _ur
        url uto scu _aç vam egi mos _er oda _at odo eus us_ alg red dig vel iga _ag ago ém_ sul _un
    """,
    "romanian": """
        re_ te_ are _de ți_ de_ ntr _nu _pa _co ent _ac _in ați _în est tă_ nu_ val le_ ter ul_ _va
        _a_ ace ele _pe ea_ tru int par ate ere ces ru_ ste eți or_ odu oar pen ect la_ con _ca rea
        aro rol să_ _fi at_ _un _o_ car că_ _es tro rod _cu _se st_ ie_ mai un_ ume ica iza duc uce
        cu_ cte tre _ma _as _tr tor _fo _do num ali vă_ til ai_ stă ne_ în_ _să _și uri uti liz _sa
        _vă _su și_ ri_ ast ceț lid _po _di lor _la _ut ili pag agi gin eas _că ist ce_ zat cea loa
        _ad gur _ob _da alo _li in_ ifi fic ato ori ost cce țin au_ _ar iun fos ta_ nă_ ici sau ara
        igu _pu act lic ola ște erg rge ină ine ţi_ sig ebu cat ile rec rul idă dă_ res ite rat me_
        _ce mul bui sta din es_ ont _șt iec ore asi ura nte reb ată tri _ve sel lec cta taț ar_ toa
        _ur ute str nic tat cor lă_ rac nt_ țiu fiș ui_ obi bie tra men _re ult rel uie tar ini ita
        cți suc ucc _pr nta doc ocu onț nți lt_ tul sun unt uni nti _du rim caț bil _al put ger ăto
        ei_ cum _ni dre nst aţi mar cel el_ _mu al_ une oat fi_ fie ole ins dat ier imi tel pli _ne
        ece elo _mo ii_ olă ouă uă_ ca_ dac _ex ia_ înt reg mer er_ ră_ mis _câ for _af eri lui set
        ra_ art rte ril sit tur _no mod _sc aso soc oci _si _au ția _șa șab abl blo ic_ il_ lit raț
        se_ câm âmp poa eru ulu înc eta ice _jo it_ orm _aț ție iți urm rmă măt cia iat aut acă ese
        sem on_ ci_ id_ adr cif alu _r_ _op _fa na_ tif ver ten ina jos os_ ită esa nec lul _sp _fu
        _ap uga poț oți nou tem mne pur acc ct_ ză_ ut_ ric _ge cod afi ișa șar ema ime eţi tal ima
        îna pun unc per erm rmi opț pți ls_ egi exi xis min mpu _or iși șie rif _am ibi dup lin pot
        utu onf adă dău ăug imb tea eja nea ilo cep che dou lei ale bar pre emn esă _em ail ers _ip
        ipv pv_ puț uți _ci ifr _ti obl bli gat pri rca bel era oru dis isp spo pon oni nib lis mpl
        taţ ări șit ede rma erv rva rog _ai url tut ria _vo dit alt sch chi him mba ni_ _lo ntu geț
        cri fil ilt ltr rar abi _ul spa eaz ază cut lel adm dmi nis des ome _ta lon ode del umă măr
        _mi mic _sl ug_ ati _vi _eg ega gal ală _to eci nul ue_ ciu ive tip iu_ dur is_ ncă căr ărc
        ase _im fac nil com upl ner ved _me deo eoa esi mit lar sar tiv cur _te nfo ții rii fun ncț
        ona cit ote rl_ _tu uto apl _ro og_ arc ot_ scu _ed edi odi dif tin inu nua pro am_ iei teț
        nce scr sa_ fol za_ pta esp ept doa _ru rug geo eom met etr paț emp _ba lat age tag agu oan
        ane ăru eg_ ât_ rez ezu zul lta nde _cr ceţ uma epa gul ule raţ ică ota _ze nai ain ctu mp_
        _go gol
    """,
    "spanish": """
        _de os_ de_ _co _es _el con or_ do_ el_ ent es_ _se est ado _la la_ _un _no se_ ntr no_ _en
        _in tra te_ ón_ ión ont aci ar_ ció na_ ase nte ue_ ra_ que as_ er_ res _pa ras ara _po sta
        men _va par en_ to_ _si _qu ste _ca _re io_ ion ta_ los una ero val por _a_ _lo cio señ eña
        dos da_ ro_ ien lid ña_ un_ orr _ha ica alo ina ist tos nti lor vál áli ido ten rio ida _su
        ene tro _fa _pu cor lec al_ on_ ari ter ese cci ca_ rre cam ede min rec ele deb ha_ su_ int
        one seg for nta _vá _o_ lo_ com ebe orm _us rod odu ect per pue ued ato _ob ona ble duz _as
        _ti _pe ser ía_ _y_ uzc zca nes del ant tar ría ne_ _do _ve eto til sua uar ing rad _al car
        _nu ver _fo obj bje jet nad ada ita imi tie re_ igu str rma fav avo vor lic ecc _ba egú gúr
        úre _te stá mo_ ili ame usu rra gin gre nic ico act rac eci nto iti las ere cad nci lac _pr
        uie des _pá pág ági _ac fic amb rar abl mer _me co_ ros amp mpo _bo ma_ ave env lim tab si_
        ema eri eli _di ori _fi sit tio enc iza ocu _au aut ner _nú núm úme bre ini let etr ndo _so
        _cu po_ be_ dad fal mat ber iad cac mbi gur va_ tac tic _le gui ito _ma tam tes erm rmi erí
        den cia ve_ _ni lla eme inc hab sel reg sig doc ngr ual ás_ _ex le_ ade der ifi ula ill les
        pos ega cue lit mis liz cta _fu nar nue ute _pl pla lan tad reo tró so_ ali _má ya_ cum inv
        nvá ume dor hor ora ura tá_ omo _da pro lem cid eta ria ici bor _vi fer abi bil uti ce_ tem
        uen acc uev _ad _ge eno lta nom omb mbr eo_ edi ios tip ome era cte _to cim _an das _op pci
        _fe ech _mm mm_ cto tan ins nst _cl cla rel ela nvi lar _li gen esc dat sol qui ier _na abe
        ece eva tod bas arr ctr rón óni and ima son mpl opc fec cha ia_ lav tor via nin mar rqu iar
        _tr ja_ ibl alt an_ err pli cit req equ gad zad egu onf nfi ace met dic bia inu _mo mod adm
        dmi nis mie dir ire nsi ode ea_ nos más tal ens án_ _r_ als lso ún_ omp age lis pod oli nav
        veg ref efe _ra zar _mi _ut tas go_ tin nua nac egi sad odo geo eom vis _ur url sis _dí git
        sea _et hay _ar vo_ mit nul ulo ple rda _uu emp ipo _ho her rmu mul nví asi _er inf rri exi
        ir_ end orq ces rid ran cer fig eti iqu elo pri ook mac ndi ena nco _ap nal _ag agr olv rse
        iso asa ior sus us_ fil ilt ltr bar esa ult rl_ ug_ díg ígi mas tua may plo _ej id_ lue eng
        aya dec sió tid tri ric vac erd boo _dd dd_ _hh hh_ _ss ss_ uu_ ide ers _ún úni _du ngú gún
        ich che dif imo víe íe_ _am sco dis isp spo pon oni nib ore ana rij ija odr xis tir rif nca
    """,
    "swedish": """
        en_ tt_ _in er_ _de et_ ra_ era te_ de_ _fö ar_ för ll_ att är_ det ing _at ett lle ör_ int
        nte ler an_ _är _an _va sen _ti ta_ om_ änd _du _i_ til ter ill _di eno _ko _lö lös ord tig
        nde _me _vä du_ öse nor tta var _si ell ilt _en ade _et _ha lti ärd den _bo har vän gil _av
        ver rde kt_ ng_ re_ gen ara anv nvä are _sk all rd_ nda stä _re av_ str _el rad vär ste da_
        sid ida nin ati lla _ka in_ ont nge ort ion la_ _gi med som ser na_ for and tio inn ers kon
        _oc och ch_ kan dan ga_ gt_ nna _ob ekt igt _fi orm itt obj bje jek der dar ent akt ig_ eck
        ed_ täl äll _al _må mås åst nti lig din bor fyl yll rt_ mat oll _so iga men as_ cka ige kti
        _fy des tre tiv _fo on_ ick dit at_ sta rst _än val _sä ker one dat ist _om _ta es_ ck_ rer
        ate ken _vi st_ ski eri säk äke ins nst lt_ se_ rma ela lat rat ger enn ten nne _be ntr ka_
        _st _åt _te lte nta gar tag tal hål åll äve tro rol min ndr el_ mer lja fil del _da tet ns_
        kic eda tis rin neh ehå nga _un cke ika _fä fäl ält _ma dig _lä ned ive ang rds ad_ _au ise
        _do _po pos ost rec _se lik jan frå ue_ lse rna let _sa ts_ krä gni dra ätt aut ute und _li
        _fr alt mal ren ant tin tru _og ogi tid rel _kr äng ata ats kat _we web ebb _på på_ bas ma_
        tat ss_ est end bok sif iff ffr or_ omm tec än_ ull rän ern iv_ år_ _tr _mm mm_ kad ngs kor
        väl älj fin _fe fel rig _mo räv het ase gär rtt ume _he al_ _e_ _bi kom mma sto id_ _nu nat
        _få _no ytt tan _ny lan _la nns lis lls lst app ere sam gga _ge agn föl ölj _rä rät tem ner
        nam ess slu fro ror ode art rre mul tor ne_ _to län _r_ får mt_ rue _fa fal als atu tum _fl
        yck llg gli pli _ne nen _ad fte ref läs ina ori red to_ nto läg adm dmi tra _ak sba llt lln
        lni dok oku kum lta res amn tad dre oks kst täv rån ån_ _så els _öv trä ens dda upp orr nd_
        ngl met inl nli _ku kun rso efe fer bbl blä äsa sar ast log _hä här tti ele _ap ge_ per åtg
        tgä ini mod od_ dsb ema isk igh ghe vil mme nol _sn hel ult uni _mi pel ali eci äns esk _dd
        dd_ um_ _hh hh_ _ss _uu uu_ ifi rar son ans typ rmu ulä lär mar rke uta pp_ lj_ lgä gän eme
        _tv unk nkt _ve örf råg dde eft ets nak em_ _co ook _gr kän ägg nis skt tab ogg skr gån ång
        ris ras das sne eds dst okm adr _sl ug_ bes ind bar par tör _ex alu lue så_ ton fra nul beg
        öve tom boo _yy yy_ _gl ik_ man _ty las ype pen len mne ark sa_ lad ild ld_ dad _fu sak akn
        kna rri dup upl nke mot kas rfr edd _ef _ht skä kap pat åte dem nsl lut agg lic sky kyd ydd
    """,
    "turkish": """
        in_ eri ir_ _ol _bi lan _de ler en_ rin bir değ ola anı _bu lar _iç içi an_ nda _sa ara er_
        ak_ ini _ve bu_ ya_ çin ğer _ge iri eğe ili da_ ama ile ri_ _ta ayı _ya çer tir rol _pa la_
        ını par eği _si aro esi rak nız bil adı _ku iz_ dan ın_ kul ull lla eçe _gö arı lam geç li_
        ril ni_ nde und _ba _do say ki_ ere ek_ olu un_ sin _gi _da oru ele ar_ ız_ _al _ka di_ ıcı
        nes erl si_ lma run ve_ niz aşa den min lı_ şar şti gir olm ası emi lun mak dır _il lir _ne
        ind ilm nın siz _zo zor ne_ tar ste eti ala ma_ _em _an baş _se _be doğ oğr ğru _lü lüt ütf
        tfe fen ula esn sne ğil ece rsi ilg lgi isi il_ rli nı_ unu edi seç ır_ gör ist ik_ mek sil
        nıc _ha aya ınd ver len ine ağı _et _ad ıla gil _ko le_ ahi _fa _te kle rul nle _ye ayf yfa
        sı_ yı_ _ay rı_ sah hip ip_ mad ğın izi mas ild ldi dad der _iş lem eme ğiş lin ter me_ bel
        lme are ğin leş ite içe etk tki ta_ erd una na_ re_ ığı çim ers eli _aş örü sit lik _he _ki
        iml nel yor dı_ ldu uğu akt rle cut cı_ ana eni gön önd rün tem iği ebi şağ ıda ızı ılı rla
        nme mes az_ rıl old duğ ğun alı _me biç _tü ünü işa ret diğ işt ğıd ekt kti enl eşt rme tur
        inm res ce_ sın zin im_ de_ anl and ger _dü düz üze _is kim mli _az onu rde vey eya mla _şu
        _bo yar ue_ _en kar kte mev evc vcu ut_ eçi cak dak aki ekl _ek eki _di abi cın yen rın cek
        eye _so son şu_ nun lay faz azl zla dığ tan _iz _ed se_ ada _ar med ley eyi tes ede rek may
        zı_ yle üm_ tab uru tam _po alt ısa ren el_ yük dah ısı _mm mm_ kay ürü etl tle nek şle rum
        tek nuz çün gi_ yap dir anm nma aba ban _sı _hi hiç _e_ pos ost sta har arf luş _kı kıs ade
        ük_ _va aha ha_ kta _no ant ntı lmi zer fal imi ru_ yin ayn _re ene nla lim irs raf gis _uy
        uyg ygu _eğ te_ bağ kin inl ndi lec diz ang _sü arl her ırl esa mle tüm nlı _aç aca abl blo
        _bö yer fa_ erm iyo or_ adr dre fle yıl izg zgi ire tma _eş dos osy sya _r_ ben enz nze _tr
        tru rue als lse anc nca nım ıml yıc tür for orm izl mey sim rdi _li lis miş yi_ zel tin dek
        lab uz_ ray zın ndı san ağl ğla net ulu han ngi kla hes _öğ öğe _yö yön _ot nin sıf ıfı fır
        nüm _şa şab lon rfl sal sad dec ış_ tla val ık_ _i_ boş _za ten ari rih ih_ ime _uu saa aat
        at_ on_ irl _fo zle sun kis çen man eks iş_ ata elt lti nam ors _çü ünk nkü kü_ _üs üst üçü
        gul apı bun unl ti_ end sa_ til yla fay met etr sab _un eyl yeb ted uşt ştu öne tic ici ema
        otu um_ ken ams msa iç_ kod _ra _bü büy üyü utu tun _ör örn ali pla _on ond nce ına zat ate
    """,
}
"""Trigrams of each language, apart by white space."""
