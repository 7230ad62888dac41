"""The data sets of the paper: addresses, sizes, checksums, licences, citations.

Sizes and checksums are given only if they are published; the comment above a file names the publication. Files without
either are verified only by their contents, which are counted after unpacking.

The addresses of a file are tried in turn. The comment above a file lists public reports about them, with date and
thread; the addresses themselves were not tested.
"""

from data.download import verify
from data.download.data_set import DataSet, File, same_file
from data.images import datasets, mit67, visual_genome, voc
from data.text import newsgroups, yahoo

_HUB = "https://huggingface.co/datasets"

NEWSGROUPS = DataSet(
    name="20news",
    title="20 Newsgroups, by-date split",
    used_for="Tables 6 and 8, Figures 2 and 6",
    licence="none stated on its home page; public Usenet posts of 1993",
    citation="K. Lang. NewsWeeder: Learning to Filter Netnews. ICML 1995",
    homepage="http://qwone.com/~jason/20Newsgroups/",
    files=(
        # Size and SHA-256: huggingface/datasets, datasets/newsgroup/dataset_infos.json; scikit-learn gives the same
        # SHA-256 for figshare's copy. qwone.com: no failures reported. figshare: 403 at times
        # (scikit-learn/scikit-learn#29271 of June 2024, #33002 of January 2026), for all downloads since August 2026
        # (cosmoimd/real-colon-dataset#3). The last address is figshare's storage (#29271).
        same_file(
            "http://qwone.com/~jason/20Newsgroups/20news-bydate.tar.gz",
            "https://ndownloader.figshare.com/files/5975967",
            "https://s3-eu-west-1.amazonaws.com/pfigshare-u-files/5975967/20newsbydate.tar.gz",
            size=14_464_277,
            checksum="sha256:8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
        ),
    ),
    parts=(newsgroups.TRAIN, newsgroups.TEST),
    check=verify.check_newsgroups,
)

YAHOO = DataSet(
    name="yahoo",
    title="Yahoo! Answers topic classification of Zhang et al.",
    used_for="Table 6: Yahoo-mini and Yahoo-half are drawn from it",
    licence="none stated; made from Yahoo! Webscope L6, which is for non-commercial research",
    citation="X. Zhang, J. Zhao, Y. LeCun. Character-level Convolutional Networks for Text Classification. NIPS 2015",
    homepage="https://drive.google.com/drive/folders/"
    "0Bz8a_Dbh9Qhbfll6bVpmNUtUcFdjYmF2SEpmZUZUcVNiMUw1TWN6RDV3a0JHT3kxLVhVR2M",
    files=(
        # The authors' Google Drive returns a web page when its quota is exceeded (pytorch/text#1150 of February 2021,
        # #1678 of April 2022). MD5: pytorch/text, torchtext/datasets/yahooanswers.py; the size is not published.
        File(
            "https://drive.usercontent.google.com/download?export=download&confirm=t&id=0Bz8a_Dbh9Qhbd2JNdDBsQUdocVU",
            None,
            "md5:f3f9899b997a42beb24157e62e3eea8d",
            saved_as="yahoo_answers_csv.tar.gz",
            elsewhere="yahoo_answers_topics on the Hugging Face hub, as Parquet, which is not supported",
            # fast.ai's copy, repacked; no failures reported. Size and SHA-256: huggingface/datasets,
            # datasets/yahoo_answers_topics/dataset_infos.json.
            instead=File(
                "https://s3.amazonaws.com/fast-ai-nlp/yahoo_answers_csv.tgz",
                319_476_345,
                "sha256:2d4277855faf8b35259009425fa8f7fe1888b5644b47165508942d000f4c96ae",
            ),
        ),
    ),
    parts=(yahoo.FOLDER,),
    check=verify.check_yahoo,
)

# Size and SHA-256: index.xml of this revision of nltk_data. NLTK's own downloader follows the branch gh-pages, which
# changes; with a fixed revision, the tags are reproducible. GitHub blocked the raw files for a day in July 2017
# (nltk/nltk#1787) and sometimes limits them (#1647 of August 2018); its other address provides the same files.
_NLTK_REVISION = "550b6625bcef1f2abff2ff770a5a0d272c9c6b2a"


def _nltk(path: str, size: int, checksum: str) -> File:
    return same_file(
        f"https://raw.githubusercontent.com/nltk/nltk_data/{_NLTK_REVISION}/packages/{path}",
        f"https://github.com/nltk/nltk_data/raw/{_NLTK_REVISION}/packages/{path}",
        size=size,
        checksum=checksum,
        elsewhere="python -m nltk.downloader punkt_tab averaged_perceptron_tagger_eng on another machine",
    )


NLTK = DataSet(
    name="nltk",
    title="NLTK's punkt_tab and averaged_perceptron_tagger_eng",
    used_for="sentences and lexical categories of 20 Newsgroups and Yahoo! Answers",
    licence="MIT, according to NLTK's package index",
    citation="S. Bird, E. Klein, E. Loper. Natural Language Processing with Python. O'Reilly 2009; "
    "T. Kiss, J. Strunk. Unsupervised Multilingual Sentence Boundary Detection. Comput. Linguistics 2006",
    homepage="https://www.nltk.org/nltk_data/",
    files=(
        _nltk(
            "tokenizers/punkt_tab.zip",
            4_319_076,
            "sha256:e57f64187974277726a3417ca6f181ec5403676c717672eef6a748a7b20e0106",
        ),
        _nltk(
            "taggers/averaged_perceptron_tagger_eng.zip",
            1_539_115,
            "sha256:6025f530624335c67d6547d44757b357b4e79bae030a0383e9887a92c1718f0b",
        ),
    ),
    parts=(verify.PUNKT, verify.TAGGER),
    check=verify.check_nltk,
)


def _voc(name: str, size: int, checksum: str) -> File:
    """Returns a file of VOC 2007.

    host.robots was down from August 2025 to February 2026; since March 2026 it redirects to thor.robots, the official
    long-term mirror (UofT-DSI/deep_learning#116 of July 2026). pjreddie.com, which older scripts use, no longer exists
    (amdegroot/ssd.pytorch#516, December 2025). The hub's copy has the same SHA-256.
    """
    return same_file(
        f"https://thor.robots.ox.ac.uk/pascal/VOC/voc2007/{name}",
        f"http://host.robots.ox.ac.uk/pascal/VOC/voc2007/{name}",
        f"{_HUB}/JimmyUnleashed/Pascal_VOC/resolve/dd873d3cf7b375ce99012a6c4d64729ab0d76602/{name}",
        size=size,
        checksum=checksum,
    )


VOC07 = DataSet(
    name="voc07",
    title="PASCAL VOC 2007, trainval and test",
    used_for="Tables 1, 3, 4 and 7",
    licence="annotations: none stated; images: Flickr's terms of use",
    citation="M. Everingham et al. The PASCAL Visual Object Classes (VOC) Challenge. IJCV 2010",
    homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2007/",
    files=(
        # Size and SHA-256: tensorflow/datasets, tensorflow_datasets/url_checksums/voc.txt, for the former copy at
        # pjreddie.com; dmlc/gluon-cv, scripts/datasets/pascal_voc.py, gave one SHA-1 for that copy and the official
        # file. The development kit (MATLAB code) is not needed.
        _voc(
            "VOCtrainval_06-Nov-2007.tar",
            460_032_000,
            "sha256:7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508",
        ),
        _voc(
            "VOCtest_06-Nov-2007.tar",
            451_020_800,
            "sha256:6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892",
        ),
    ),
    parts=(voc.FOLDER,),
    check=verify.check_voc07,
)

COCO = DataSet(
    name=datasets.COCO,
    title="COCO val2014, and the annotations of val2017, which define minival",
    used_for="minicoco: Tables 4 and 9, and the detector of Table 5",
    licence="annotations: CC BY 4.0; images: their Flickr licences",
    citation="T.-Y. Lin et al. Microsoft COCO: Common Objects in Context. ECCV 2014",
    homepage="https://cocodataset.org/#download",
    files=(
        # Size and SHA-256 of all three: tensorflow/datasets, tensorflow_datasets/url_checksums/coco.txt. Official
        # server: no failures reported. The hub's copies have the same names and sizes.
        same_file(
            "http://images.cocodataset.org/zips/val2014.zip",
            f"{_HUB}/GAIA-URJC/COCO_2014/resolve/main/val2014.zip",
            size=6_645_013_297,
            checksum="sha256:fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
        ),
        same_file(
            "http://images.cocodataset.org/annotations/annotations_trainval2014.zip",
            f"{_HUB}/GAIA-URJC/COCO_2014/resolve/main/annotations_trainval2014.zip",
            size=252_872_794,
            checksum="sha256:031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
            only=f"*/{verify.VAL2014_ANNOTATIONS.rpartition('/')[2]}",
        ),
        same_file(
            "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
            f"{_HUB}/presencesw/coco/resolve/main/annotations_trainval2017.zip",
            size=252_907_541,
            checksum="sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            only=f"*/{datasets.MINIVAL_FILES[0]}",
        ),
    ),
    parts=(verify.VAL2014, verify.VAL2014_ANNOTATIONS, verify.MINIVAL_ANNOTATIONS),
    check=verify.check_coco,
)

_VG_IMAGES = f"{_HUB}/BAAI/DataOptim/resolve/e4dad5e54ed94ccc7d6c9ff66b71930e966c2120/images/visual_genome"
_SGG = "https://raw.githubusercontent.com/KaihuaTang/Scene-Graph-Benchmark.pytorch"

VISUAL_GENOME = DataSet(
    name="visual-genome",
    title="Visual Genome images, and the scene graphs of Xu et al.",
    used_for="Table 2",
    licence="Visual Genome: CC BY 4.0; scene graphs of Xu et al.: none stated",
    citation="R. Krishna et al. Visual Genome: Connecting Language and Vision Using Crowdsourced Dense Image "
    "Annotations. IJCV 2017; D. Xu et al. Scene Graph Generation by Iterative Message Passing. CVPR 2017",
    homepage="https://github.com/danfeiX/scene-graph-TF-release/blob/master/data_tools/README.md",
    files=(
        # Size and SHA-256 of the images: huggingface/datasets, datasets/visual_genome/dataset_infos.json.
        # cs.stanford.edu: 403 in October 2022 (waxnkw/IETrans-SGG.pytorch#7), reported as working in December 2024
        # (wentaoyuan/RoboPoint#5). The hub's copies have the same SHA-256.
        same_file(
            "https://cs.stanford.edu/people/rak248/VG_100K_2/images.zip",
            f"{_VG_IMAGES}/images.zip",
            size=9_731_705_982,
            checksum="sha256:51c682d2721f880150720bb416e0346a4c787e4c55d7f80dfd1bd3f73ba81646",
        ),
        same_file(
            "https://cs.stanford.edu/people/rak248/VG_100K_2/images2.zip",
            f"{_VG_IMAGES}/images2.zip",
            size=5_471_658_058,
            checksum="sha256:99da1a0ddf87011319ff3b05cf9176ffee2731cc3c52951162d9ef0d68e3cfb5",
        ),
        # The files of Xu et al.: last mentioned in November 2023 (suprosanna/relationformer#15, at cvgl.stanford.edu).
        # Their list of images is used because the rows of VG-SGG.h5 follow its order. SHA-1: hetong007/gluon-cv,
        # scripts/datasets/visualgenome.py; the size is not published.
        same_file(
            "http://svl.stanford.edu/projects/scene-graph/VG/image_data.json",
            "https://cvgl.stanford.edu/scene-graph/VG/image_data.json",
            f"{_SGG}/master/datasets/vg/image_data.json",
            size=None,
            checksum="sha1:c550d8bf07fe9cbb951c94f1fabd827cc934cefe",
        ),
        # No size or checksum of these two found. Scene-Graph-Benchmark's files have the same fields plus attributes;
        # its own link to the first is broken (KaihuaTang/Scene-Graph-Benchmark.pytorch#215, September 2024).
        same_file(
            "http://svl.stanford.edu/projects/scene-graph/dataset/VG-SGG.h5",
            "https://cvgl.stanford.edu/scene-graph/dataset/VG-SGG.h5",
            size=None,
            checksum=None,
            instead=File(
                f"{_HUB}/kb-kim/LLM4SGG/resolve/73ff29cb7587ab5cf011772e863172a6fa468000/VG-SGG-with-attri.h5",
                150_724_042,
                None,
                part=visual_genome.GRAPHS,
            ),
        ),
        same_file(
            "http://svl.stanford.edu/projects/scene-graph/dataset/VG-SGG-dicts.json",
            "https://cvgl.stanford.edu/scene-graph/dataset/VG-SGG-dicts.json",
            size=None,
            checksum=None,
            instead=File(
                f"{_SGG}/0482daef90c98f810774aab042005add6859f529/datasets/vg/VG-SGG-dicts-with-attri.json",
                None,
                None,
                part=visual_genome.NAMES,
            ),
        ),
    ),
    parts=tuple(
        f"{visual_genome.FOLDER}/{name}"
        for name in (
            *visual_genome.IMAGE_FOLDERS,
            visual_genome.IMAGE_LIST,
            visual_genome.GRAPHS,
            visual_genome.NAMES,
        )
    ),
    check=verify.check_visual_genome,
)

MIT67 = DataSet(
    name=mit67.FOLDER,
    title="MIT Indoor Scenes, 67 categories",
    used_for="Table 5, Figures 1 and 7",
    licence="images for research purposes only",
    citation="A. Quattoni, A. Torralba. Recognizing Indoor Scenes. CVPR 2009",
    homepage="https://web.mit.edu/torralba/www/indoor.html",
    files=(
        # Reported missing (404) in September 2026; no copy of the archive is known. SHA-1: visym/vipy,
        # vipy/data/images/mit67.py. Size of all three files: download log in the README.md of
        # yunho-c/mit-indoor-67-indoor-scene-recognition.
        File(
            "http://groups.csail.mit.edu/vision/LabelMe/NewImages/indoorCVPR_09.tar",
            2_592_010_240,
            "sha1:0b252516e746ba428b96af408d2e8162d9b08ac5",
            elsewhere="itsahmad/indoor-scenes-cvpr-2019 on Kaggle, which requires an account",
        ),
        # MD5 of the lists: bwhite/vision_data, vision_data/_indoor09.py. Authors' page: no failures reported.
        File(
            "https://web.mit.edu/torralba/www/TrainImages.txt",
            172_080,
            "md5:fd987513d0f623c424252770fac3f354",
        ),
        File(
            "https://web.mit.edu/torralba/www/TestImages.txt",
            43_475,
            "md5:f00bef137f39d51e4894303a7bf4c2d4",
        ),
    ),
    parts=tuple(f"{mit67.FOLDER}/{name}" for name in (mit67.IMAGES, *mit67.LISTS.values())),
    check=verify.check_mit67,
)

DATA_SETS = (NEWSGROUPS, YAHOO, NLTK, VOC07, COCO, VISUAL_GENOME, MIT67)
